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
}
_CODE = {
    "logits": "keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
    "probabilities": "keras.losses.SparseCategoricalCrossentropy()",
    "binary": "keras.losses.BinaryCrossentropy()",
    "squared": '"mean_squared_error"',
}


def chosen_loss(choice: str, model_file: pathlib.Path) -> str:
    """The choice, with `"auto"` decided by the end of the network.

    Args:
        choice: Str, a key of `LOSSES`.
        model_file: Path of an inspected `.keras` file.

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
        return "probabilities"
    return "binary" if activation == "sigmoid" else "logits"


def loss_function(loss: str) -> Any:
    """The loss as `Objective` takes it."""
    import keras

    return {
        "logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "probabilities": keras.losses.SparseCategoricalCrossentropy(),
        "binary": keras.losses.BinaryCrossentropy(),
        "squared": "mean_squared_error",
    }[loss]


def loss_code(loss: str) -> str:
    """The expression that makes it."""
    return _CODE[loss]


def targets(loss: str, y: np.ndarray, num_classes: int) -> np.ndarray:
    """Labels as the loss takes them."""
    if loss == "squared":
        return np.eye(num_classes, dtype=np.float32)[y]
    return y.astype(np.float32)[:, None] if loss == "binary" else y


def targets_code(loss: str, labels: str) -> str:
    """The expression that makes them."""
    if loss == "squared":
        return f'np.eye(data.num_classes, dtype="float32")[{labels}]'
    return (
        f'{labels}.astype("float32")[:, None]' if loss == "binary" else labels
    )
