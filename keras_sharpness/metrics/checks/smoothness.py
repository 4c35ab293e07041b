"""Where the loss has kinks, and where its gradient is cut off."""

import dataclasses
from collections.abc import Iterable

from keras_sharpness.metrics import backend
from keras_sharpness.metrics.objective import Objective


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


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in a sentence, the first few of many."""
    names = list(names)
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
