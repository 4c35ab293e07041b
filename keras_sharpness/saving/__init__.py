"""Opening model files that somebody else made."""

from keras_sharpness.saving.errors import (
    KerasSharpnessError,
    ModelFileError,
    UnsafeModelError,
)
from keras_sharpness.saving.inspect import ModelFile, inspect_model_file
from keras_sharpness.saving.load import load_model

__all__ = [
    "KerasSharpnessError",
    "ModelFile",
    "ModelFileError",
    "UnsafeModelError",
    "inspect_model_file",
    "load_model",
]
