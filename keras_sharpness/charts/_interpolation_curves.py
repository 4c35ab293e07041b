"""One or several interpolations as tables and in words."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import (
    Axis,
    axis_from_zero,
    linear_axis,
    log_axis,
)
from keras_sharpness.charts._text import number, span

if TYPE_CHECKING:
    from keras_sharpness.landscape import Interpolation

# Of the loss: a straight line has a barrier of this size by rounding.
_ROUNDING = 1e-6
# Cross-entropies up to here are drawn in full: the paper's curves reach 12.
_ORDINARY_CROSS_ENTROPY = 15.0


@dataclasses.dataclass(frozen=True)
class Curves:
    """What a chart of interpolations needs to know.

    Attributes:
        runs: Dict from a name to an `Interpolation`.
        frame: DataFrame with run, alpha, data, loss, accuracy (percent).
        middle: The same without run: the only run, or the runs' median;
            None where the runs have different α.
        data_names: List of str, in the order of the results.
        loss_name: Str. Keras' name of the loss.
    """

    runs: "dict[str, Interpolation]"
    frame: pd.DataFrame
    middle: pd.DataFrame | None
    data_names: list[str]
    loss_name: str

    @property
    def has_accuracy(self) -> bool:
        """Whether there is any accuracy to draw."""
        return bool(self.frame["accuracy"].notna().any())

    @property
    def path(self) -> str:
        """The path of all runs, `"linear"` or `"curvilinear"`."""
        return next(iter(self.runs.values())).path

    @property
    def distance(self) -> str:
        """The distance of the ends, or the range of the runs' distances."""
        return span(run.distance for run in self.runs.values())

    def loss_axis(self, log: bool) -> Axis:
        """The axis of the loss; a few exploded losses may lie beyond it."""
        losses = self.frame["loss"]
        losses = losses[np.isfinite(losses)]
        if losses.empty:
            raise ValueError(
                "No loss of the interpolation is finite. Interpolate over a "
                "shorter range, e.g. `alphas=np.linspace(0, 1, 11)`."
            )
        if log:
            if not (losses > 0).any():
                raise ValueError(
                    "A logarithmic axis needs a positive loss; there is none. "
                    "Pass `log_loss=False`."
                )
            return log_axis(losses)
        largest = float(losses.max())
        between = self.frame[self.frame["alpha"].between(0.0, 1.0)]["loss"]
        between = between[np.isfinite(between)]
        # Neither what lies between the minima nor three quarters of the
        # points may be cut off by a few that exploded.
        limit = max(
            2.0 * float(losses.quantile(0.75)),
            1.2 * float(between.max()) if len(between) else 0.0,
            _ORDINARY_CROSS_ENTROPY if "crossentropy" in self.loss_name else 0,
        )
        upper = limit if 0.0 < limit < largest / 1.5 else largest
        if losses.min() < 0.0:
            return linear_axis(float(losses.min()), upper)
        return axis_from_zero(upper)

    def barrier(self, run: "Interpolation", name: str) -> float:
        """The barrier of one run, without what rounding makes of none."""
        losses = self.frame["loss"][self.frame["alpha"].between(0.0, 1.0)]
        scale = losses[np.isfinite(losses)].abs().max()
        barrier = run.barriers[name]
        return 0.0 if barrier <= _ROUNDING * scale else barrier

    def barrier_bracket(self) -> pd.DataFrame:
        """Where the barrier of the first data set stands: alpha, low, high.

        Empty where it has none, for several runs, and where the ends are not
        among the points.
        """
        rows = self.frame[self.frame["data"] == self.data_names[0]]
        rows = rows.drop_duplicates("alpha").sort_values("alpha")
        rows = rows.set_index("alpha")["loss"]
        name = self.data_names[0]
        if (
            len(self.runs) == 1
            and 0.0 in rows.index
            and 1.0 in rows.index
            and self.barrier(next(iter(self.runs.values())), name) > 0
        ):
            between = rows.loc[0.0:1.0]
            alphas = between.index.to_numpy()
            chord = (1.0 - alphas) * rows[0.0] + alphas * rows[1.0]
            excess = between.to_numpy() - chord
            if np.isfinite(excess).any():
                top = int(np.nanargmax(excess))
                if 0 < excess[top] < np.inf:
                    return pd.DataFrame(
                        {
                            "alpha": [alphas[top]],
                            "low": [chord[top]],
                            "high": [between.iloc[top]],
                            "text": [f"barrier {number(excess[top])}"],
                        }
                    )
        return pd.DataFrame()


def read_curves(
    interpolation: "Interpolation | Mapping[str, Interpolation]",
) -> Curves:
    """The tables of one interpolation or of several that belong together.

    Raises:
        ValueError: If there are none, or they do not share losses, data sets
            and path.
    """
    runs = arguments.results(
        "interpolation", interpolation, "Interpolation", "`ks.interpolate(…)`"
    )
    frames = [run.to_frame().assign(run=name) for name, run in runs.items()]
    if any(frame.empty for frame in frames):
        raise ValueError(
            "`interpolation` is empty, so there is nothing to draw. Pass what "
            "`ks.interpolate(...)` returned, or a dict of such results."
        )
    kinds = {
        (run.path, tuple(run.losses), _loss_name(run)) for run in runs.values()
    }
    if len(kinds) > 1:
        raise ValueError(
            "The interpolations differ in path, data sets or loss, so they "
            "cannot share axes. Draw one chart for each kind. Received: "
            f"{sorted(map(str, kinds))}."
        )
    frame = pd.concat(frames, ignore_index=True)
    frame["accuracy"] = 100.0 * frame["accuracy"].astype(float)
    path, names, loss_name = kinds.pop()
    del path
    grids = {tuple(frame["alpha"]) for frame in frames}
    middle = None
    if len(grids) == 1:
        # A run that is not a number is a bad one, not a missing one.
        filled = frame.assign(loss=frame["loss"].fillna(np.inf))
        middle = (
            filled.groupby(["data", "alpha"], sort=False)[["loss", "accuracy"]]
            .median()
            .reset_index()
        )
        if len(runs) == 1:
            middle = frame.drop(columns="run")
    return Curves(runs, frame, middle, list(names), loss_name)


def _loss_name(run: "Interpolation") -> str:
    return next(iter(run.objectives.values()), {}).get("loss", "")


def notes(curves: Curves, axis: Axis) -> list[str]:
    """Sentences on what the chart summarises or does not show."""
    losses = curves.frame["loss"]
    sentences = [_samples_note(curves), _barrier_note(curves)]
    if len(curves.runs) > 1:
        sentences.append(
            f"Thin lines: {len(curves.runs)} runs"
            + (
                "; thick lines: their median."
                if curves.middle is not None
                else ", each with its own α."
            )
        )
    above = losses > axis.upper
    if above.any():
        sentences.append(
            f"▲ The loss axis ends at {number(axis.upper)}; above it: "
            f"{int(above.sum())} of {len(losses)} losses, the largest "
            f"{number(float(losses.max()))}."
        )
    if axis.log and (losses <= 0).any():
        sentences.append(
            f"▼ At the bottom of the axis: {int((losses <= 0).sum())} of "
            f"{len(losses)} losses, 0 or less."
        )
    if losses.isna().any():
        sentences.append(
            f"Not drawn: {int(losses.isna().sum())} of {len(losses)} "
            "losses, not a number."
        )
    return [sentence for sentence in sentences if sentence]


def _samples_note(curves: Curves) -> str:
    settings = next(iter(curves.runs.values())).objectives
    counts = [
        f"{settings[name]['num_samples']:,} {name}"
        for name in curves.data_names
        if "num_samples" in settings.get(name, {})
    ]
    if not counts:
        return ""
    text = " and ".join(counts).removesuffix(" data")
    return f"Means over {text} samples."


def _barrier_note(curves: Curves) -> str:
    texts = {}
    for name in curves.data_names:
        barriers = [curves.barrier(run, name) for run in curves.runs.values()]
        texts[name] = "none"
        if not np.isfinite(barriers).all():
            texts[name] = "not finite"
        elif max(barriers) > 0:
            texts[name] = span(barriers)
    if set(texts.values()) == {"none"}:
        return (
            "No loss barrier: between the ends the loss does not rise "
            "above the straight line."
        )
    parts = [f"{name} {text}" for name, text in texts.items()]
    if len(texts) == 1:
        parts = list(texts.values())
    return (
        "Loss barrier above the straight line between the ends: "
        f"{', '.join(parts)}."
    )


def description(
    curves: Curves, title: str, start: str, end: str, notes: list[str]
) -> str:
    """The chart for those who cannot see it: its ends and its notes."""
    frame = curves.frame if curves.middle is None else curves.middle
    parts = []
    for place, name in ((0.0, start), (1.0, end)):
        at_place = frame[frame["alpha"] == place]
        values = [
            f"{row.data} loss {number(row.loss)}"
            + (
                f" and accuracy {number(row.accuracy)} %"
                if row.accuracy == row.accuracy
                else ""
            )
            for row in at_place.itertuples()
        ]
        if values:
            parts.append(f"At α = {place:g}, {name}: {', '.join(values)}.")
    low, high = frame["alpha"].min(), frame["alpha"].max()
    return " ".join(
        [f"Line chart. {title}, α from {low:g} to {high:g}.", *parts, *notes]
    )
