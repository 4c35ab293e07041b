"""The axis of losses among which a few may have exploded."""

import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import (
    Axis,
    axis_from_zero,
    linear_axis,
    log_axis,
)
from keras_sharpness.charts._text import number

# Of the upper quartile: higher losses may be cut off.
_MOST_ABOVE_QUARTILE = 3.0


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
