"""What is measured at one point of the weight space."""

from keras_sharpness.metrics.eigenvalues import (
    Eigenvalues,
    hessian_eigenvalues,
)
from keras_sharpness.metrics.epsilon_sharpness import (
    EpsilonSharpness,
    epsilon_sharpness,
)
from keras_sharpness.metrics.objective import Objective

__all__ = [
    "Eigenvalues",
    "EpsilonSharpness",
    "Objective",
    "epsilon_sharpness",
    "hessian_eigenvalues",
]
