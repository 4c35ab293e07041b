"""Experiments end to end, resumable."""

import lazy_loader

# Loaded on first use: a stored `Comparison` is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "compare": ["compare"],
        "comparison": ["Comparison"],
        "measurement": ["Evaluation", "MeasurementPlan", "Target"],
        "progress": ["StudyProgress"],
    },
)

__all__ = [
    "Comparison",
    "Evaluation",
    "MeasurementPlan",
    "StudyProgress",
    "Target",
    "compare",
]
