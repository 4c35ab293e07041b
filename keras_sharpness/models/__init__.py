"""The networks of Keskar et al. (2017), and a small one, as Keras models."""

from keras_sharpness.models.networks import (
    C1,
    C2,
    C3,
    C4,
    F1,
    F2,
    NAMES,
    S1,
    get,
)

__all__ = ["C1", "C2", "C3", "C4", "F1", "F2", "NAMES", "S1", "get"]
