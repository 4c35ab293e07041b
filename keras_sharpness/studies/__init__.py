"""Experiments end to end, resumable."""

import lazy_loader

# Loaded on first use: a stored `Comparison` is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "compare": ["compare"],
        "comparison": ["Comparison"],
        "member": ["Member"],
        "measurement": ["Evaluation", "MeasurementPlan", "Target"],
        "progress": ["StudyProgress"],
        "study": ["Study"],
        "study_result": ["StudyResult"],
    },
)

__all__ = [
    "Comparison",
    "Evaluation",
    "MeasurementPlan",
    "Member",
    "Study",
    "StudyProgress",
    "StudyResult",
    "Target",
    "compare",
]
