"""Axes that show every value, or say which they do not show."""

import dataclasses
import math
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._text import number

# d3's "~g" writes 1e-6 as 0.000001, which nobody counts right.
_LOG_LABELS = (
    "datum.value > 0 && (datum.value < 0.001 || datum.value >= 10000)"
    " ? format(datum.value, '~e') : format(datum.value, '~g')"
)
# A plain format string would be cut to the precision of the tick step.
_LINEAR_LABELS = "format(datum.value, ',.6~g')"
_MOST_DECADE_LABELS = 7
# Of the upper quartile: higher losses may be cut off.
_MOST_ABOVE_QUARTILE = 3.0


@dataclasses.dataclass(frozen=True)
class Axis:
    """Limits, ticks and kind of one axis.

    Attributes:
        lower: Float. First value of the axis.
        upper: Float. Last value.
        ticks: List of float.
        log: Bool. Whether the scale is logarithmic.
    """

    lower: float
    upper: float
    ticks: list[float]
    log: bool = False

    @property
    def scale(self) -> alt.Scale:
        """The scale of an encoding."""
        return alt.Scale(
            domain=[self.lower, self.upper],
            type="log" if self.log else "linear",
            nice=False,
            zero=alt.Undefined if self.log else False,
        )

    def axis(self, title: str | list[str], **options: object) -> alt.Axis:
        """The axis of an encoding."""
        return alt.Axis(
            title=title,
            values=self.ticks,
            labelExpr=_LOG_LABELS if self.log else _LINEAR_LABELS,
            **options,
        )

    def shown(self, values: pd.Series) -> pd.Series:
        """`values` where they may stand; NaN where they cannot be drawn.

        Those beyond a limit are kept, as marks are clipped, but not so far
        that the renderer's pixels overflow.
        """
        span = self.upper - self.lower
        if self.log:
            return values.clip(self.lower, self.upper * 1e6)
        return values.clip(self.lower - 1e3 * span, self.upper + 1e3 * span)


def linear_axis(lower: float, upper: float, *, num_ticks: int = 5) -> Axis:
    """An axis whose ends are round numbers around [lower, upper]."""
    if not upper > lower:
        margin = abs(upper) / 10 or 1.0
        lower, upper = lower - margin, upper + margin
    raw = (upper - lower) / num_ticks
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(
        factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw
    )
    # Rounding errors of the division must not add an empty step.
    first = math.floor(lower / step + 1e-9)
    last = math.ceil(upper / step - 1e-9)
    # 12 digits rid 3 * 0.1 of its tail.
    ticks = [float(f"{n * step:.12g}") for n in range(first, last + 1)]
    return Axis(ticks[0], ticks[-1], ticks)


def axis_from_zero(upper: float) -> Axis:
    """An axis from 0 in four or five equal steps of a round number.

    A second axis, from 0 to 100, then shares its grid lines.
    """
    if not upper > 0.0:
        return linear_axis(0.0, 1.0)
    tops = []
    for intervals in (5, 4):
        power = 10.0 ** math.floor(math.log10(upper / intervals))
        step = next(
            factor * power
            for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
            # Rounding errors of the division must not cost a whole step.
            if factor * power * intervals >= upper * (1 - 1e-9)
        )
        tops.append((intervals * step, intervals))
    top, intervals = min(tops, key=lambda pair: pair[0])
    ticks = [float(f"{top * n / intervals:.12g}") for n in range(intervals + 1)]
    return Axis(0.0, ticks[-1], ticks)


def log_axis(values: Sequence[float] | np.ndarray) -> Axis:
    """A logarithmic axis around the positive ones of `values`.

    It begins and ends at 1, 2 or 5 times a power of ten; so do its ticks where
    it spans less than a decade and a half, else they are powers of ten.
    """
    values = np.asarray(values, dtype=float)
    values = values[(values > 0) & np.isfinite(values)]
    smallest, largest = float(values.min()), float(values.max())
    powers = range(
        math.floor(math.log10(smallest)) - 1, math.ceil(math.log10(largest)) + 2
    )
    steps = [float(f"{factor}e{n}") for n in powers for factor in (1, 2, 5)]
    # Strictly outside: no point may lie on the frame.
    lower = max(step for step in steps if step < smallest)
    upper = min(step for step in steps if step > largest)
    if largest / smallest < 10**1.5:
        ticks = [step for step in steps if lower <= step <= upper]
    else:
        decades = [float(f"1e{n}") for n in powers]
        ticks = [decade for decade in decades if lower <= decade <= upper]
        ticks = ticks[:: math.ceil(len(ticks) / _MOST_DECADE_LABELS)]
    return Axis(lower, upper, ticks, log=True)


def loss_axis(losses: pd.Series, *, log: bool, keep: float = 0.0) -> Axis:
    """The axis of some losses; a few of them may lie beyond it.

    Args:
        losses: Series.
        log: Bool. Whether it is logarithmic.
        keep: Float. A loss that must not be cut off.

    Returns:
        An `Axis`.

    Raises:
        ValueError: If no loss is finite, or none positive on a logarithmic
            axis.
    """
    finite = losses[np.isfinite(losses)]
    if finite.empty:
        raise ValueError(
            "No loss is finite, so there is nothing to draw. Measure over a "
            "smaller range, e.g. `alphas=np.linspace(-0.1, 0.1, 25)`."
        )
    if arguments.boolean("log", log):
        if not (finite > 0).any():
            raise ValueError(
                "A logarithmic axis needs a positive loss; there is none. "
                "Pass `log=False`."
            )
        return log_axis(finite)
    limit = max(_MOST_ABOVE_QUARTILE * float(finite.quantile(0.75)), keep)
    largest = float(finite.max())
    upper = limit if 0.0 < limit < largest / 1.5 else largest
    if finite.min() < 0.0:
        return linear_axis(float(finite.min()), upper)
    return axis_from_zero(upper)


def beyond(losses: pd.Series, axis: Axis) -> str:
    """A sentence on the losses that the axis does not show, or nothing."""
    above = int((losses > axis.upper).sum())
    below = int((losses <= 0).sum()) if axis.log else 0
    texts = []
    if above:
        texts.append(
            f"The loss axis ends at {number(axis.upper)}; above it: {above} of "
            f"{len(losses)} losses, the largest {number(float(losses.max()))}."
        )
    if below:
        texts.append(
            f"At the bottom of the axis: {below} of {len(losses)} losses, 0 or "
            "less."
        )
    if losses.isna().any():
        texts.append(
            f"Not drawn: {int(losses.isna().sum())} of {len(losses)} losses, "
            "not a number."
        )
    return " ".join(texts)
