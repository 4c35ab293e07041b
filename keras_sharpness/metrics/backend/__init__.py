"""The framework that Keras computes with: all that metrics need of it."""

import keras

if keras.backend.backend() != "tensorflow":
    raise RuntimeError(
        "Objective needs Keras on TensorFlow. Received: backend "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow."
    )

from keras_sharpness.metrics.backend.tensorflow import (
    EvaluationPoint,
    KeptProduct,
    LinearMap,
    free_memory,
    gradient_and_hessian,
    held,
    hessian_product,
    jacobian_square_product,
    naming_layers,
    value_and_gradient,
)

__all__ = [
    "EvaluationPoint",
    "KeptProduct",
    "LinearMap",
    "free_memory",
    "gradient_and_hessian",
    "held",
    "hessian_product",
    "jacobian_square_product",
    "naming_layers",
    "value_and_gradient",
]
