"""What a loss asks of a batch and its labels."""

from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.loss.losses import (
    BINARY,
    CATEGORICAL,
    SPARSE,
    LossSpecification,
)

# Losses of Keras whose targets need not have the shape of the outputs.
_OTHER_TARGETS = (
    "circle",
    "categorical_generalized_cross_entropy",
    "c_t_c",
    "ctc",
)


def check_batch(
    specification: LossSpecification, batch: Any, output: Any
) -> None:
    """Refuses a batch that the loss cannot be computed on.

    Args:
        specification: The loss.
        batch: `Batch` of tensors.
        output: The model's output for one sample, nested tensors.

    Raises:
        ValueError: For NaN, for labels that are no classes of the model, and
            for shapes that do not fit the loss.
    """
    for name in ("x", "y", "sample_weight"):
        for leaf in keras.tree.flatten(getattr(batch, name)):
            if leaf is None:
                continue
            array = keras.ops.convert_to_numpy(leaf)
            if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
                raise ValueError(
                    f"`{name}` holds NaN or infinity in "
                    f"{np.count_nonzero(~np.isfinite(array))} entries. Remove "
                    "or replace them first."
                )
    if batch.y is None and _is_keras_loss(specification):
        raise ValueError(
            f"The loss {specification.name} needs targets. Pass `y`"
            f"{_where_targets_may_be(batch.x)}."
        )
    if not hasattr(batch.y, "shape") or not hasattr(output, "shape"):
        return  # nested: several outputs, or one in a dict
    labels = keras.ops.convert_to_numpy(batch.y)
    shape = (batch.size, *output.shape[1:])
    if specification.accuracy_kind is None:
        if _compares_entries(specification):
            _check_targets(specification.name, labels.shape, shape)
    else:
        _check_range(specification, keras.ops.convert_to_numpy(output))
        _check_labels(specification.name, labels, shape)


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


def _check_labels(name: str, y: np.ndarray, shape: tuple[int, ...]) -> None:
    if name == SPARSE:
        if y.shape not in (shape[:-1], (*shape[:-1], 1)):
            raise ValueError(
                f"`y` has shape {y.shape}, but {name} takes one class number "
                f"per output of shape {shape}. For one-hot targets use "
                "CategoricalCrossentropy."
            )
        if np.any(y != np.floor(y)) or y.min() < 0 or y.max() >= shape[-1]:
            raise ValueError(
                f"`y` must hold whole numbers from 0 to {shape[-1] - 1}, one "
                f"per class of the model. Received: {y.min()} to {y.max()}."
            )
    elif name == CATEGORICAL and y.shape != shape:
        raise ValueError(
            f"`y` has shape {y.shape}, but {name} takes one row per output of "
            f"shape {shape}. For class numbers use "
            "SparseCategoricalCrossentropy."
        )
    elif name == BINARY:
        _check_targets(name, y.shape, shape)
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"`y` must lie in [0, 1] for {name}. Received: from {y.min()} "
                f"to {y.max()}."
            )


def _check_targets(name: str, y: tuple, y_pred: tuple) -> None:
    # Keras broadcasts (N,) against (N, K) to (N, N), without a word.
    if y != y_pred and not (y_pred[-1] == 1 and y == y_pred[:-1]):
        raise ValueError(
            f"`y` has shape {y}, but the model's outputs have shape {y_pred}. "
            f"The loss {name} compares them entry by entry; reshape `y`."
        )
