"""Training with a custom loop: fast, repeatable, resumable."""

import lazy_loader

# Loaded on first use: a stored `TrainingHistory` is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoint": ["CheckpointError"],
        "diverged": ["TrainingDivergedError"],
        "history": ["TrainingHistory"],
        "schedules.grow_at": ["GrowAt", "GrowEvery"],
        "schedules.grow_by_curvature": ["GrowByCurvature"],
        "schedules.grow_by_variance": ["GrowByVariance"],
        "methods.sharpness_aware": ["SharpnessAware"],
        "train": ["train"],
    },
)

__all__ = [
    "CheckpointError",
    "GrowAt",
    "GrowByCurvature",
    "GrowByVariance",
    "GrowEvery",
    "SharpnessAware",
    "TrainingDivergedError",
    "TrainingHistory",
    "train",
]
