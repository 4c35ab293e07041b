"""Training with a custom loop: fast, repeatable, resumable."""

from keras_sharpness.training.checkpoint import CheckpointError
from keras_sharpness.training.diverged import TrainingDivergedError
from keras_sharpness.training.history import TrainingHistory
from keras_sharpness.training.train import train

__all__ = [
    "CheckpointError",
    "TrainingDivergedError",
    "TrainingHistory",
    "train",
]
