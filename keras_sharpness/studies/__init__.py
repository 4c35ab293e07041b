"""Experiments end to end, resumable."""

from keras_sharpness.studies.compare import compare
from keras_sharpness.studies.comparison import Comparison
from keras_sharpness.studies.measurement import (
    Evaluation,
    MeasurementPlan,
    Target,
)
from keras_sharpness.studies.progress import StudyProgress

__all__ = [
    "Comparison",
    "Evaluation",
    "MeasurementPlan",
    "StudyProgress",
    "Target",
    "compare",
]
