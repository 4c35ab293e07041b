"""What is measured along lines through the weight space."""

from keras_sharpness.landscape.interpolation import Interpolation, interpolate

__all__ = ["Interpolation", "interpolate"]
