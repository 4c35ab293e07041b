"""NaN and infinity in the data, which the model or the loss must mask."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.batches import Batch


def count_missing(batch: Batch) -> dict[str, int]:
    """The entries of a batch that are no finite numbers.

    Args:
        batch: `Batch`.

    Returns:
        Dict with `"x"` and `"y"`, where they hold such entries.
    """
    counts = {}
    for name in ("x", "y"):
        arrays = [
            keras.ops.convert_to_numpy(leaf)
            for leaf in keras.tree.flatten(getattr(batch, name))
            if leaf is not None
        ]
        count = sum(
            int(np.count_nonzero(~np.isfinite(array)))
            for array in arrays
            # ml_dtypes' bfloat16 has kind "V".
            if array.dtype.kind == "f" or array.dtype.name == "bfloat16"
        )
        if count:
            counts[name] = count
    return counts


def check_masked(objective: Any, counts: Mapping[str, int]) -> None:
    """Refuses missing values that reach the loss or its gradient.

    Args:
        objective: `Objective`, of a loss that is finite without them.
        counts: Mapping. What is missing in x and y.

    Raises:
        ValueError: If the loss or the gradient is not finite.
    """
    value, gradient = objective.value_and_gradient()
    found = " and ".join(
        f"`{name}` holds NaN or infinity in {count} entries"
        for name, count in counts.items()
    )
    if not np.isfinite(value):
        raise ValueError(
            f"{found}, and the loss of model {objective.model.name!r} is "
            f"{value}. Remove or replace them first, or mask them in the loss; "
            "a sample weight of 0 does not, as 0 · NaN is NaN."
        )
    num_bad = np.count_nonzero(~np.isfinite(gradient))
    if num_bad:
        raise ValueError(
            f"{found}. The loss of model {objective.model.name!r} masks them, "
            f"but its gradient is NaN in {num_bad} of {gradient.size} weights: "
            "where they are left out after the arithmetic, its derivative is "
            "0 · NaN. Replace them before, as `ops.where(ops.isnan(y), 0, y)` "
            "does, and leave the result out."
        )
