"""What is measured at one point of the weight space."""

from keras_sharpness.metrics.check import Check, CheckRow, check
from keras_sharpness.metrics.density import (
    SpectralDensity,
    spectral_density,
)
from keras_sharpness.metrics.diagonal import Diagonal, hessian_diagonal
from keras_sharpness.metrics.eigenvalues import (
    Eigenvalues,
    hessian_eigenvalues,
)
from keras_sharpness.metrics.epsilon_sharpness import (
    EpsilonSharpness,
    epsilon_sharpness,
)
from keras_sharpness.metrics.frobenius_norm import (
    FrobeniusNorm,
    hessian_frobenius_norm,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import (
    EmpiricalFisherOperator,
    FisherOperator,
    GaussNewtonOperator,
    HessianOperator,
)
from keras_sharpness.metrics.sampling_error import (
    SamplingError,
    sampling_error,
)
from keras_sharpness.metrics.stored_products import StoredProducts
from keras_sharpness.metrics.trace import Trace, hessian_trace

__all__ = [
    "Check",
    "CheckRow",
    "Diagonal",
    "Eigenvalues",
    "EmpiricalFisherOperator",
    "EpsilonSharpness",
    "FisherOperator",
    "FrobeniusNorm",
    "GaussNewtonOperator",
    "HessianOperator",
    "Objective",
    "SamplingError",
    "SpectralDensity",
    "StoredProducts",
    "Trace",
    "check",
    "epsilon_sharpness",
    "hessian_diagonal",
    "hessian_eigenvalues",
    "hessian_frobenius_norm",
    "hessian_trace",
    "sampling_error",
    "spectral_density",
]
