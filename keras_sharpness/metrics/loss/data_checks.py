"""What a loss asks of the data: labels, shapes, finite numbers."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.loss.losses import (
    BINARY,
    CATEGORICAL,
    SPARSE,
    LossSpecification,
    loss_specification,
)

# Losses of Keras whose targets need not have the shape of the outputs.
_OTHER_TARGETS = (
    "circle",
    "categorical_generalized_cross_entropy",
    "c_t_c",
    "ctc",
)


def check_batch(
    specification: LossSpecification,
    batch: Any,
    output: Any,
    output_names: list[str] | None = None,
) -> None:
    """Refuses a batch that the loss cannot be computed on.

    NaN in x and y pass: the model may impute them, and the loss mask them.

    Args:
        specification: The loss.
        batch: `Batch` of tensors.
        output: The model's output for one sample, nested tensors.
        output_names: List of str. What a dict of losses or targets calls the
            outputs where they are a list.

    Raises:
        ValueError: For NaN weights, for labels that are no classes of the
            model, and for shapes that do not fit the loss.
    """
    for leaf in keras.tree.flatten(batch.sample_weight):
        if leaf is None:
            continue
        array = keras.ops.convert_to_numpy(leaf)
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            raise ValueError(
                "`sample_weight` holds NaN or infinity in "
                f"{np.count_nonzero(~np.isfinite(array))} entries. Remove "
                "or replace them first."
            )
    if batch.y is None and _is_keras_loss(specification):
        raise ValueError(
            f"The loss {specification.name} needs targets. Pass `y`"
            f"{_where_targets_may_be(batch.x)}."
        )
    for name, y, one, loss in _pairs(
        "y", batch.y, output, specification, output_names
    ):
        _check_one(name, y, (batch.size, *one.shape[1:]), one, loss)


def _check_one(
    name: str,
    y: Any,
    shape: tuple[int, ...],
    output: Any,
    specification: LossSpecification,
) -> None:
    if specification.accuracy_kind is None:
        if _compares_entries(specification):
            _check_targets(name, specification.name, tuple(y.shape), shape)
    else:
        _check_range(specification, keras.ops.convert_to_numpy(output))
        _check_labels(name, specification, keras.ops.convert_to_numpy(y), shape)


def _pairs(
    name: str,
    y: Any,
    output: Any,
    specification: LossSpecification,
    output_names: list[str] | None,
) -> list[tuple]:
    """Targets, outputs and losses that belong together, where that is plain."""
    losses = specification.nested
    if losses is None or not keras.tree.is_nested(output):
        plain = hasattr(y, "shape") and hasattr(output, "shape")
        return [(name, y, output, specification)] if plain else []
    if not isinstance(output, dict) and isinstance(losses, dict):
        if output_names is None or len(output_names) != len(output):
            return []
        output = dict(zip(output_names, output, strict=True))
        if isinstance(y, list | tuple) and len(y) == len(output):
            y = dict(zip(output_names, y, strict=True))
    by_name = all(isinstance(part, dict) for part in (y, output, losses))
    in_order = all(isinstance(part, list | tuple) for part in (y, output))
    if by_name:
        keys = [key for key in losses if key in y and key in output]
    elif in_order and isinstance(losses, list | tuple):
        keys = list(range(min(len(y), len(output), len(losses))))
    else:
        return []
    return [
        (f"{name}[{key!r}]", y[key], output[key], loss_specification(loss))
        for key in keys
        if (loss := losses[key]) is not None
        and hasattr(y[key], "shape")
        and hasattr(output[key], "shape")
    ]


def _is_keras_loss(specification: LossSpecification) -> bool:
    function = specification.function
    own = function if hasattr(function, "__name__") else type(function)
    return own.__module__.startswith("keras.")


def _where_targets_may_be(x: Any) -> str:
    if not isinstance(x, tuple | list):
        return ""
    return (
        f" apart from `x`, which is a {type(x).__name__} of {len(x)} and so "
        f"{len(x)} inputs of the model"
    )


def _compares_entries(specification: LossSpecification) -> bool:
    return (
        _is_keras_loss(specification)
        and specification.name not in _OTHER_TARGETS
    )


def _check_range(specification: LossSpecification, output: np.ndarray) -> None:
    low, high = output.min(), output.max()
    if not specification.from_logits and (low < 0 or high > 1 + 1e-3):
        raise ValueError(
            f"The loss {specification.name} expects probabilities, but the "
            f"model's outputs lie in [{low:.3g}, {high:.3g}]. For a model that "
            "returns logits pass the loss with `from_logits=True`."
        )


def _check_labels(
    where: str,
    specification: LossSpecification,
    y: np.ndarray,
    shape: tuple[int, ...],
) -> None:
    name = specification.name
    num_missing = (
        np.count_nonzero(~np.isfinite(y)) if y.dtype.kind == "f" else 0
    )
    if num_missing:
        raise ValueError(
            f"`{where}` holds NaN or infinity in {num_missing} entries, which "
            f"{name} does not mask. Remove or replace them first, or pass a "
            "loss that leaves them out."
        )
    if name == SPARSE:
        if y.shape not in (shape[:-1], (*shape[:-1], 1)):
            raise ValueError(
                f"`{where}` has shape {y.shape}, but {name} takes one class "
                f"number per output of shape {shape}. For one-hot targets use "
                "CategoricalCrossentropy."
            )
        ignored = specification.ignored_class
        bad = (y != np.floor(y)) | (y < 0) | (y >= shape[-1])
        if ignored is not None:
            bad &= y != ignored
        if np.any(bad):
            also = (
                "" if ignored is None else f", or {ignored}, which it ignores"
            )
            raise ValueError(
                f"`{where}` must hold whole numbers from 0 to {shape[-1] - 1}, "
                f"one per class of the model{also}. Received: {y.min()} to "
                f"{y.max()}. Give a label that is to be left out to the loss "
                "as `ignore_class=`."
            )
    elif name == CATEGORICAL and y.shape != shape:
        raise ValueError(
            f"`{where}` has shape {y.shape}, but {name} takes one row per "
            f"output of shape {shape}. For class numbers use "
            "SparseCategoricalCrossentropy."
        )
    elif name == BINARY:
        _check_targets(where, name, y.shape, shape)
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"`{where}` must lie in [0, 1] for {name}. Received: from "
                f"{y.min()} to {y.max()}."
            )


def _check_targets(where: str, name: str, y: tuple, y_pred: tuple) -> None:
    # Keras drops or adds a last axis of one entry, and broadcasts the rest:
    # (N,) against (N, K) to (N, N), without a word.
    if not (
        y == y_pred
        or (y_pred[-1] == 1 and y == y_pred[:-1])
        or (y[-1] == 1 and y[:-1] == y_pred)
    ):
        raise ValueError(
            f"`{where}` has shape {y}, but the model's outputs have shape "
            f"{y_pred}. The loss {name} compares them entry by entry; reshape "
            f"`{where}`."
        )


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
