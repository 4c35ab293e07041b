"""Experiments end to end, resumable."""

import lazy_loader

# Loaded on first use: a stored `Comparison` is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batch_size_sweep": ["batch_size_sweep"],
        "compare": ["compare"],
        "comparison": ["Comparison"],
        "group_result": ["GroupComparison"],
        "growing_batch": ["growing_batch"],
        "member": ["Member"],
        "measurement": ["Evaluation", "MeasurementPlan", "Target"],
        "progress": ["StudyProgress"],
        "remedies": ["remedies"],
        "study": ["Study"],
        "sweep_result": ["BatchSizeSweep"],
        "study_result": ["StudyResult"],
        "warm_start": ["warm_start"],
    },
)

__all__ = [
    "BatchSizeSweep",
    "Comparison",
    "Evaluation",
    "GroupComparison",
    "MeasurementPlan",
    "Member",
    "Study",
    "StudyProgress",
    "StudyResult",
    "Target",
    "batch_size_sweep",
    "compare",
    "growing_batch",
    "remedies",
    "warm_start",
]
