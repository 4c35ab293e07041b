"""The losses that a reader can choose; a file brings none that is trusted."""

import json
import pathlib
import zipfile
from typing import Any

import numpy as np

# Their names in the address, and on the page.
LOSSES = {
    "auto": "by the last layer",
    "logits": "cross-entropy of logits",
    "probabilities": "cross-entropy of probabilities",
    "binary": "binary cross-entropy of probabilities",
    "squared": "squared error of one-hot classes",
    "regression": "squared error of the targets",
    "one_hot": "cross-entropy of probabilities and one-hot targets",
}
# Those that take class labels, and turn them into what they need.
_OF_CLASSES = ("logits", "probabilities", "squared")
_CODE = {
    "logits": "keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
    "probabilities": "keras.losses.SparseCategoricalCrossentropy()",
    "binary": "keras.losses.BinaryCrossentropy()",
    "squared": '"mean_squared_error"',
    "regression": '"mean_squared_error"',
    "one_hot": "keras.losses.CategoricalCrossentropy()",
}


def chosen_loss(
    choice: str, model_file: pathlib.Path, *, has_classes: bool = True
) -> str:
    """The choice, with `"auto"` decided by the end of the network.

    Args:
        choice: Str, a key of `LOSSES`.
        model_file: Path of an inspected `.keras` file.
        has_classes: Bool. Whether the targets are class labels.

    Returns:
        Str, a key of `LOSSES` other than `"auto"`.
    """
    if choice != "auto":
        return choice
    with zipfile.ZipFile(model_file) as archive:
        config = json.loads(archive.read("config.json"))["config"]
    layers = config.get("layers") or [{}]
    # Of a network that saves its arguments, such as F1, there are none: the
    # package's end in logits.
    last = layers[-1]
    activation = (last.get("config") or {}).get("activation")
    if isinstance(activation, dict):
        activation = activation.get("config")
    if last.get("class_name") == "Softmax" or activation == "softmax":
        return "probabilities" if has_classes else "one_hot"
    if activation == "sigmoid":
        return "binary"
    return "logits" if has_classes else "regression"


def loss_function(loss: str) -> Any:
    """The loss as `Objective` takes it."""
    import keras

    return {
        "logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "probabilities": keras.losses.SparseCategoricalCrossentropy(),
        "binary": keras.losses.BinaryCrossentropy(),
        "squared": "mean_squared_error",
        "regression": "mean_squared_error",
        "one_hot": keras.losses.CategoricalCrossentropy(),
    }[loss]


def loss_code(loss: str) -> str:
    """The expression that makes it."""
    return _CODE[loss]


def targets(loss: str, y: np.ndarray, num_classes: int | None) -> np.ndarray:
    """Targets as the loss takes them.

    Args:
        loss: Str, a key of `LOSSES` other than `"auto"`.
        y: Array of labels or of other targets.
        num_classes: Int, or None for targets that are no labels.

    Returns:
        Array.

    Raises:
        ValueError: If the loss needs labels and there are none.
    """
    if loss in _OF_CLASSES and num_classes is None:
        raise ValueError(
            f"The loss, {LOSSES[loss]}, takes class labels, integers from 0. "
            f"The targets have dtype {y.dtype}, shape {y.shape}. Choose "
            f"{LOSSES['regression']!r}, or another loss, under *Data and loss*."
        )
    if loss == "squared":
        return np.eye(num_classes, dtype=np.float32)[y]
    if loss == "regression":
        return y.astype(np.float32)
    return _as_rows(y) if loss in ("binary", "one_hot") else y


def _as_rows(y: np.ndarray) -> np.ndarray:
    return y.reshape(len(y), -1).astype(np.float32)


def targets_code(loss: str, labels: str) -> str:
    """The expression that makes them."""
    if loss == "squared":
        return f'np.eye(data.num_classes, dtype="float32")[{labels}]'
    if loss == "regression":
        return f'{labels}.astype("float32")'
    if loss in ("binary", "one_hot"):
        return f'np.reshape({labels}, (len({labels}), -1)).astype("float32")'
    return labels
