"""The metrics during `model.fit`."""

from keras_sharpness.callbacks.edge_of_stability import EdgeOfStability
from keras_sharpness.callbacks.epsilon_sharpness import EpsilonSharpness
from keras_sharpness.callbacks.hessian_eigenvalues import HessianEigenvalues
from keras_sharpness.callbacks.hessian_trace import HessianTrace
from keras_sharpness.callbacks.saved_trajectory import SavedTrajectory
from keras_sharpness.callbacks.spectral_density import SpectralDensity
from keras_sharpness.callbacks.weight_trajectory import WeightTrajectory

__all__ = [
    "EdgeOfStability",
    "EpsilonSharpness",
    "HessianEigenvalues",
    "HessianTrace",
    "SavedTrajectory",
    "SpectralDensity",
    "WeightTrajectory",
]
