"""What `keras_sharpness.metrics.backend` asks for, by TensorFlow."""

from keras_sharpness.metrics.backend.tensorflow.data import (
    cast_floats,
    gather,
    is_infinite,
    is_ragged_or_sparse,
    join,
    rows,
    sparse_tensor,
)
from keras_sharpness.metrics.backend.tensorflow.derivatives import (
    gradient_and_hessian,
    hessian_product,
    jacobian_square_product,
    value_and_gradient,
)
from keras_sharpness.metrics.backend.tensorflow.differentiability import (
    UndifferentiableError,
    naming_layers,
)
from keras_sharpness.metrics.backend.tensorflow.differentiable import (
    differentiable,
)
from keras_sharpness.metrics.backend.tensorflow.evaluation_point import (
    EvaluationPoint,
    held,
)
from keras_sharpness.metrics.backend.tensorflow.kept_product import (
    KeptProduct,
    LinearMap,
    free_memory,
)
from keras_sharpness.metrics.backend.tensorflow.logits import (
    logits_of,
)
from keras_sharpness.metrics.backend.tensorflow.random_draws import (
    draw_categorical,
    draw_normal,
    draw_poisson,
    draw_uniform,
)
from keras_sharpness.metrics.backend.tensorflow.smoothness import (
    smoothness,
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
