"""What is measured at one point of the weight space."""

from keras_sharpness.metrics.objective import Objective

__all__ = ["Objective"]
