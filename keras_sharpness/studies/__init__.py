"""Experiments end to end, resumable."""

import lazy_loader

# Loaded on first use: a stored `Comparison` is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batch_size_sweep": ["batch_size_sweep"],
        "compare": ["compare"],
        "comparison": ["Comparison"],
        "member": ["Member"],
        "measurement": ["Evaluation", "MeasurementPlan", "Target"],
        "progress": ["StudyProgress"],
        "study": ["Study"],
        "sweep_result": ["BatchSizeSweep"],
        "study_result": ["StudyResult"],
    },
)

__all__ = [
    "BatchSizeSweep",
    "Comparison",
    "Evaluation",
    "MeasurementPlan",
    "Member",
    "Study",
    "StudyProgress",
    "StudyResult",
    "Target",
    "batch_size_sweep",
    "compare",
]
