"""What `keras_sharpness.metrics.backend` asks for, by TensorFlow."""

from keras_sharpness.metrics.backend.tensorflow.derivatives import (
    gradient_and_hessian,
    hessian_product,
    jacobian_square_product,
    value_and_gradient,
)
from keras_sharpness.metrics.backend.tensorflow.differentiability import (
    naming_layers,
)
from keras_sharpness.metrics.backend.tensorflow.evaluation_point import (
    EvaluationPoint,
)
from keras_sharpness.metrics.backend.tensorflow.held import held
from keras_sharpness.metrics.backend.tensorflow.kept_product import (
    KeptProduct,
    LinearMap,
)
from keras_sharpness.metrics.backend.tensorflow.memory import free_memory

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
