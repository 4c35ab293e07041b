"""The floating-point precision in which a loss is evaluated."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_sharpness.metrics.objective import Objective

# NumPy does not know bfloat16.
_EPSILON = {
    "bfloat16": 2.0**-7,
    "float16": 2.0**-10,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
}


def epsilon(dtype: str) -> float:
    """The distance from 1 to the next larger number of a dtype."""
    return _EPSILON[dtype]


def lowest(dtypes: Iterable[str]) -> str:
    """The least precise of some floating dtypes; others do not count."""
    return max(_EPSILON.keys() & set(dtypes), key=epsilon)


def precision(objective: Objective, narrowed: Iterable[str]) -> str:
    """The least precise dtype in which layers and loss compute.

    Args:
        objective: `Objective`.
        narrowed: Dtypes that its graph casts to; see `Smoothness`.

    Returns:
        Str, e.g. `"float16"` for a model of policy `"mixed_float16"`.
    """
    model = objective.model
    found = {layer.compute_dtype for layer in model._flatten_layers()}
    found |= set(objective.layout.dtypes)
    losses: list[Any] = keras.tree.flatten(
        [objective.loss.function, objective.loss.nested]
    )
    if objective.batch_loss.is_compiled and model.loss is not None:
        losses.append(model._compile_loss)
    found |= {
        loss.dtype for loss in losses if isinstance(loss, keras.losses.Loss)
    }
    return lowest([*found, *narrowed])
