"""Weights of classes as weights of samples."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments


def sample_weights_of_classes(
    y: Any, class_weight: Mapping[int, float]
) -> np.ndarray:
    """The weight of each sample's class, 1 for a class that has none.

    As `model.fit(class_weight=…)` understands it.

    Args:
        y: Array (n,) or (n, 1) of class numbers, or one-hot (n, C).
        class_weight: Dict of class number to weight.

    Returns:
        Array (n,), float64.

    Raises:
        ValueError: If the targets are not one class per sample, or the weights
            not a dict of class numbers.
    """
    arguments.instance(
        "class_weight",
        class_weight,
        Mapping,
        "a dict of class number to weight",
        "Pass e.g. `{0: 1.0, 1: 5.0}`.",
    )
    for number, weight in class_weight.items():
        arguments.integer("class_weight", number, least=0)
        arguments.real(f"class_weight[{number}]", weight)
    if class_weight and not any(w > 0 for w in class_weight.values()):
        raise arguments.refuse(
            "class_weight", class_weight, "positive for one class at least"
        )
    if not hasattr(y, "shape") or not 1 <= len(y.shape) <= 2:
        raise ValueError(
            "`class_weight` needs one class per sample. Received: targets "
            f"{getattr(y, 'shape', type(y).__name__)}. Pass `sample_weight`."
        )
    labels = keras.ops.convert_to_numpy(y)
    if labels.ndim == 2:
        one_hot = labels.shape[1] > 1
        labels = labels.argmax(axis=1) if one_hot else labels[:, 0]
    weights = np.ones(len(labels))
    for number, weight in class_weight.items():
        weights[np.round(labels) == number] = weight
    return weights
