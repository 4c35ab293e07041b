"""A loss surface as the tables that its chart draws, and in words."""

import dataclasses
from typing import TYPE_CHECKING

import contourpy
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import Axis, linear_axis, log_axis
from keras_sharpness.charts._text import number

if TYPE_CHECKING:
    from keras_sharpness.landscape import LossSurface, ProjectedTrajectory

# Of the upper quartile: a few corners that exploded must not leave the rest in
# one colour.
_MOST_ABOVE_QUARTILE = 4.0
# Of the width and height: nearer to the frame or to each other, labels of
# contour lines could not be read.
_RIM = 0.05
_STATISTICS = {
    "objective": "moving statistics of the objective's model",
    "plane": "moving statistics of the models on the plane",
    "batch": "statistics of each batch",
    "recalibrate": "statistics re-estimated at every point",
}


@dataclasses.dataclass(frozen=True)
class Cells:
    """What a chart of a surface needs to know.

    Attributes:
        surface: A complete `LossSurface`: of a partial one, the finest grid
            that is complete.
        data: Str. Name of the data set.
        value: Str. `"loss"` or `"accuracy"`.
        values: Array (m, n): the loss, or the accuracy in percent.
        axis: `Axis` of the colours.
    """

    surface: "LossSurface"
    data: str
    value: str
    values: np.ndarray
    axis: Axis

    @property
    def bounds(self) -> np.ndarray:
        """Array (2, 2): the ranges of α and β."""
        alphas, betas = self.surface.alphas, self.surface.betas
        return np.array([[alphas[0], alphas[-1]], [betas[0], betas[-1]]])

    def frame(self) -> pd.DataFrame:
        """A row per cell: where it lies, its edges and its values."""
        surface = self.surface
        beta, alpha = np.meshgrid(surface.betas, surface.alphas, indexing="ij")
        left, right = _edges(surface.alphas)
        low, high = _edges(surface.betas)
        shape = self.values.shape
        columns = {
            "alpha": alpha,
            "beta": beta,
            "left": np.broadcast_to(left, shape),
            "right": np.broadcast_to(right, shape),
            "low": np.broadcast_to(low[:, None], shape),
            "high": np.broadcast_to(high[:, None], shape),
            "loss": surface.losses[self.data],
        }
        if self.data in surface.accuracies:
            columns["accuracy"] = 100.0 * surface.accuracies[self.data]
        frame = pd.DataFrame({k: np.ravel(v) for k, v in columns.items()})
        frame["shown"] = self.shown(frame[self.value])
        return frame

    def shown(self, values: pd.Series) -> pd.Series:
        """`values` within the range of the colours; NaN has none."""
        values = values.where(np.isfinite(values) | np.isposinf(values))
        return values.clip(self.axis.lower, self.axis.upper)

    def contours(self, levels: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The lines of equal value, and one label for each level.

        Args:
            levels: Array of values.

        Returns:
            DataFrames (alpha, beta, level, path, order) and (alpha, beta,
            level).
        """
        values = self.values
        if self.axis.log:
            # Straight lines between points of an exponential slope.
            values = np.log(np.where(values > 0, values, self.axis.lower))
            positions = np.log(levels)
        else:
            positions = levels
        generator = contourpy.contour_generator(
            self.surface.alphas,
            self.surface.betas,
            np.ma.masked_invalid(values),
        )
        lines, labels = [], []
        for level, position in zip(levels, positions, strict=True):
            paths = generator.lines(position)
            for path in paths:
                lines.append(
                    pd.DataFrame(
                        {
                            "alpha": path[:, 0],
                            "beta": path[:, 1],
                            "level": level,
                            "path": len(lines),
                            "order": np.arange(len(path)),
                        }
                    )
                )
            place = self._label_place(paths, labels)
            if place is not None:
                labels.append((*place, level))
        columns = ["alpha", "beta", "level"]
        nothing = pd.DataFrame(columns=[*columns, "path", "order"], dtype=float)
        return (
            pd.concat(lines, ignore_index=True) if lines else nothing,
            pd.DataFrame(labels, columns=columns),
        )

    def _label_place(
        self, paths: list[np.ndarray], labels: list[tuple]
    ) -> np.ndarray | None:
        """The vertex that is farthest from all other texts, or None."""
        low, high = self.bounds.T
        vertices = np.concatenate([np.zeros((0, 2)), *paths])
        relative = (vertices - low) / (high - low)
        inside = np.all((relative > _RIM) & (relative < 1.0 - _RIM), axis=1)
        if not inside.any():
            return None
        vertices, relative = vertices[inside], relative[inside]
        others = np.concatenate(
            [
                np.reshape(self.surface.plane["anchors"], (-1, 2)),
                [label[:2] for label in labels] or np.zeros((0, 2)),
            ]
        )
        if not len(others):
            return vertices[0]
        gaps = relative[:, None] - (others - low) / (high - low)
        distances = np.linalg.norm(gaps, axis=2).min(axis=1)
        best = int(distances.argmax())
        return vertices[best] if distances[best] > _RIM else None


def read_cells(
    surface: "LossSurface",
    *,
    data: str | None,
    value: str,
    log: bool,
    domain: tuple[float, float] | None,
) -> Cells:
    """The table of one data set.

    Raises:
        ValueError: If there is no such data set or value, or nothing to draw.
    """
    surface = surface.coarse()
    names = list(surface.losses)
    data = names[0] if data is None else data
    arguments.one_of("data", data, names)
    arguments.one_of("value", value, ("loss", "accuracy"))
    arguments.boolean("log", log)
    if value == "accuracy" and data not in surface.accuracies:
        raise ValueError(
            f"There is no accuracy of {data!r}: its targets are not classes. "
            "Pass `value='loss'`."
        )
    values = (
        surface.losses[data]
        if value == "loss"
        else 100.0 * surface.accuracies[data]
    )
    return Cells(
        surface, data, value, values, _axis(values, value, log, domain)
    )


def _axis(
    values: np.ndarray,
    value: str,
    log: bool,
    domain: tuple[float, float] | None,
) -> Axis:
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise ValueError(
            f"No {value} of the surface is finite. Draw a smaller range, e.g. "
            "`alphas=np.linspace(-0.1, 0.1, 25)`."
        )
    if domain is not None:
        low, high = arguments.array("domain", domain, shape=(2,)).tolist()
        if not low < high:
            raise arguments.refuse(
                "domain", domain, "two numbers, the smaller one first"
            )
    else:
        low, high = float(finite.min()), float(finite.max())
        limit = _MOST_ABOVE_QUARTILE * float(np.quantile(finite, 0.75))
        if not log and value == "loss" and 0.0 < limit < high:
            high = limit
    if not log:
        ticks = linear_axis(low, high).ticks
        inside = [tick for tick in ticks if low <= tick <= high]
        if not high > low:
            low, high = low - 0.5, high + 0.5
        return Axis(low, high, inside)
    positive = finite[finite > 0]
    if not positive.size or (domain is not None and low <= 0):
        raise ValueError(
            "Logarithmic colours need positive values. Received: "
            f"{low} to {high}. Pass `log=False`."
        )
    low = low if low > 0 else float(positive.min())
    axis = log_axis([low, high])
    if not high > low:
        return axis
    inside = [tick for tick in axis.ticks if low <= tick <= high]
    return Axis(low, high, inside, log=True)


def nice_levels(axis: Axis, num_levels: int) -> np.ndarray:
    """Round numbers within the range of the colours, about `num_levels`."""
    if not axis.log:
        ticks = linear_axis(axis.lower, axis.upper, num_ticks=num_levels).ticks
        return np.array([t for t in ticks if axis.lower < t < axis.upper])
    decades = range(
        int(np.floor(np.log10(axis.lower))), int(np.ceil(np.log10(axis.upper)))
    )
    levels = np.array([])
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        finer = np.array(
            [
                float(f"{factor}e{power}")
                for power in decades
                for factor in factors
            ]
        )
        finer = finer[(finer > axis.lower) & (finer < axis.upper)]
        if len(finer) > num_levels and len(levels):
            break
        levels = finer
    return levels


def _edges(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper edges of cells that end with the grid."""
    middles = (points[1:] + points[:-1]) / 2
    return np.r_[points[0], middles], np.r_[middles, points[-1]]


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
