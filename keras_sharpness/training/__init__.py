"""Training with a custom loop: fast, repeatable, resumable."""

import lazy_loader

# Loaded on first use: a stored `TrainingHistory` is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "averaging": ["StochasticWeightAveraging", "update_batch_norm"],
        "checkpoint": ["CheckpointError"],
        "diverged": ["TrainingDivergedError"],
        "history": ["TrainingHistory"],
        "schedules.grow_at": ["GrowAt", "GrowEvery"],
        "schedules.grow_by_curvature": ["GrowByCurvature"],
        "schedules.grow_by_variance": ["GrowByVariance"],
        "methods.adversarial": ["Adversarial"],
        "methods.conservative": ["Conservative"],
        "methods.sharpness_aware_model": ["SharpnessAwareModel"],
        "methods.stability": ["Stability"],
        "methods.sharpness_aware": ["SharpnessAware"],
        "train": ["train"],
    },
)

__all__ = [
    "Adversarial",
    "CheckpointError",
    "Conservative",
    "GrowAt",
    "GrowByCurvature",
    "GrowByVariance",
    "GrowEvery",
    "SharpnessAware",
    "SharpnessAwareModel",
    "Stability",
    "StochasticWeightAveraging",
    "TrainingDivergedError",
    "TrainingHistory",
    "train",
    "update_batch_norm",
]
