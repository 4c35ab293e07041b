"""Where the loss has kinks, and where its gradient is cut off."""

import dataclasses

import numpy as np

from keras_sharpness.metrics import backend
from keras_sharpness.metrics.checks.row import CheckRow, listed
from keras_sharpness.metrics.objective import Objective

# Share of the gradient's change over a short step that H may miss.
_BEND = 0.1


@dataclasses.dataclass(frozen=True)
class Smoothness:
    """Operations on values that depend on the trainable weights.

    Attributes:
        kinks: Tuple of str, `"layer (operation)"`: piecewise linear.
        cuts: Tuple of str, `"layer (operation)"`: without a derivative.
        narrowed: Dict of the dtypes, e.g. `"float32"`, that wider values are
            cast to, each with a tuple of the layers that do.
    """

    kinks: tuple[str, ...]
    cuts: tuple[str, ...]
    narrowed: dict[str, tuple[str, ...]]


def smoothness(objective: Objective) -> Smoothness:
    """What of the loss is not smooth, found in what the framework computes.

    Args:
        objective: `Objective`.

    Returns:
        A `Smoothness`.
    """
    batch = next(iter(objective.batches))
    return Smoothness(
        *backend.smoothness(
            objective.model, objective.batch_loss.value, *batch[:3]
        )
    )


def smoothness_row(smooth: Smoothness, bend: float) -> CheckRow:
    """Kinks, and what H misses over a step of 0.1 % of the weights.

    One unit that crosses its kink for one sample can outweigh H on so short a
    step.

    Args:
        smooth: `Smoothness`.
        bend: Float, from `keras_sharpness.metrics.checks.differences.bend`.

    Returns:
        A `CheckRow`.
    """
    if np.isnan(bend):
        return CheckRow(
            "smoothness",
            "note",
            None,
            _BEND,
            "H v is zero: the loss is linear in the weights here.",
        )
    missed = (
        "Over 0.1 % of the weights the gradient's change differs from what H "
        f"says by {100 * bend:.3g} %."
    )
    if smooth.kinks:
        return CheckRow(
            "smoothness",
            "note",
            bend,
            _BEND,
            f"Kinks in {listed(smooth.kinks)}: their own second derivative is "
            "zero, and H holds between the kinks, not across them. " + missed,
        )
    if bend > _BEND:
        return CheckRow(
            "smoothness",
            "note",
            bend,
            _BEND,
            "The curvature changes within a short step. " + missed,
        )
    return CheckRow("smoothness", "ok", bend, _BEND, "No kinks. " + missed)
