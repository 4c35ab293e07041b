"""The networks of Keskar et al. (2017) as Keras models."""

from keras_sharpness.models.c1 import C1
from keras_sharpness.models.c2 import C2
from keras_sharpness.models.c3 import C3
from keras_sharpness.models.c4 import C4
from keras_sharpness.models.f1 import F1
from keras_sharpness.models.f2 import F2
from keras_sharpness.models.get import NAMES, get

__all__ = ["C1", "C2", "C3", "C4", "F1", "F2", "NAMES", "get"]
