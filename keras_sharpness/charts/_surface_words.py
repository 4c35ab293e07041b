"""What the chart of a surface says in words."""

from typing import TYPE_CHECKING

import numpy as np

from keras_sharpness.charts._surface_rows import Cells
from keras_sharpness.charts._text import number

if TYPE_CHECKING:
    from keras_sharpness.landscape import LossSurface, ProjectedTrajectory

_STATISTICS = {
    "objective": "moving statistics of the objective's model",
    "plane": "moving statistics of the models on the plane",
    "batch": "statistics of each batch",
    "recalibrate": "statistics re-estimated at every point",
}


def axis_titles(surface: "LossSurface") -> list[str]:
    """What α and β are, with the length of a step of 1."""
    titles = []
    for greek, label, length in zip(
        "αβ", surface.plane["labels"], surface.plane["lengths"], strict=True
    ):
        unit = (
            ": L2 distance"
            if abs(length - 1.0) < 1e-6
            else f", of L2 length {number(float(length))}"
        )
        titles.append(f"{greek}  ({label}{unit})")
    return titles


def notes(
    cells: Cells,
    partial: "LossSurface",
    trajectory: "ProjectedTrajectory | None",
) -> list[str]:
    """Sentences on what the chart rests on and does not show."""
    surface, values = cells.surface, cells.values
    settings = surface.objectives.get(cells.data, {})
    sentences = []
    if "num_samples" in settings:
        name = "" if cells.data == "data" else f" {cells.data}"
        sentences.append(
            f"Means over {settings['num_samples']:,}{name} samples."
        )
    if surface.moving_statistics in ("batch", "recalibrate", "plane"):
        sentences.append(
            f"BatchNormalization: {_STATISTICS[surface.moving_statistics]}."
        )
    if not partial.is_complete:
        sentences.append(
            f"Not complete: {int(partial.finished.sum())} of "
            f"{partial.finished.size} points are evaluated, drawn are "
            f"{values.shape[1]} × {values.shape[0]}."
        )
    above = int(np.sum(values > cells.axis.upper * (1 + 1e-9)))
    if above:
        largest = float(np.nanmax(values))
        sentences.append(
            f"The colours end at {number(cells.axis.upper)}; above it: {above} "
            f"of {values.size} points, the largest {number(largest)}."
        )
    if np.isnan(values).any():
        sentences.append(
            f"Not drawn: {int(np.isnan(values).sum())} of {values.size} "
            "points, not a number."
        )
    if trajectory is not None:
        first, second = 100 * trajectory.explained_variance
        sentences.append(
            "The two axes explain "
            f"{number(first)} % and {number(second)} % of the trajectory's "
            "variance; its checkpoints lie up to "
            f"{number(float(trajectory.distances.max()))} off the plane, and "
            "the colours of their points are their true values."
        )
    return sentences


def description(cells: Cells, title: str, sentences: list[str]) -> str:
    """The chart for those who cannot see it."""
    surface, values = cells.surface, cells.values
    (left, right), (low, high) = cells.bounds
    parts = [
        "Heat map with contour lines.",
        f"{title}, α from {left:g} to {right:g}, β from {low:g} to {high:g}.",
    ]
    unit = " %" if cells.value == "accuracy" else ""
    finite = np.where(np.isfinite(values), values, np.nan)
    for word, place in (
        ("Lowest", np.nanargmin(finite)),
        ("Highest", np.nanargmax(finite)),
    ):
        row, column = np.unravel_index(place, values.shape)
        parts.append(
            f"{word} {cells.value} {number(float(values[row, column]))}{unit} "
            f"at α = {number(float(surface.alphas[column]))}, "
            f"β = {number(float(surface.betas[row]))}."
        )
    return " ".join([*parts, *sentences])
