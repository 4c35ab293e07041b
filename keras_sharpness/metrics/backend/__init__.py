"""The framework that Keras computes with: all that metrics need of it.

The names below are the contract. To measure on another framework, write a
folder beside `tensorflow/` that gives them.
"""

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
    UndifferentiableError,
    cast_floats,
    differentiable,
    draw_categorical,
    draw_normal,
    draw_poisson,
    draw_uniform,
    free_memory,
    gather,
    gradient_and_hessian,
    held,
    hessian_product,
    is_infinite,
    is_ragged_or_sparse,
    jacobian_square_product,
    join,
    logits_of,
    naming_layers,
    rows,
    smoothness,
    sparse_tensor,
    value_and_gradient,
)

__all__ = [
    "EvaluationPoint",
    "KeptProduct",
    "LinearMap",
    "UndifferentiableError",
    "cast_floats",
    "differentiable",
    "draw_categorical",
    "draw_normal",
    "draw_poisson",
    "draw_uniform",
    "free_memory",
    "gather",
    "gradient_and_hessian",
    "held",
    "hessian_product",
    "is_infinite",
    "is_ragged_or_sparse",
    "jacobian_square_product",
    "join",
    "logits_of",
    "naming_layers",
    "rows",
    "smoothness",
    "sparse_tensor",
    "value_and_gradient",
]
