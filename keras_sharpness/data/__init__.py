"""Data sets in, NumPy arrays out."""

from keras_sharpness.data.classification_data import ClassificationData
from keras_sharpness.data.load import load
from keras_sharpness.data.npz import load_npz
from keras_sharpness.data.sample_data import SampleData

__all__ = ["ClassificationData", "SampleData", "load", "load_npz"]
