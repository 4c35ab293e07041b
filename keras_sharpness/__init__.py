"""Sharpness, curvature and loss landscapes of Keras models."""

import lazy_loader

from keras_sharpness.version import __version__

# Loaded on first use: `import keras_sharpness.charts` in the explorer must not
# pay for TensorFlow, nor a training script for Altair.
__getattr__, __dir__, _lazy_names = lazy_loader.attach(
    __name__,
    submodules=[
        "data",
        "landscape",
        "metrics",
        "models",
        "saving",
        "training",
    ],
    submod_attrs={
        "landscape": ["interpolate"],
        "metrics": ["Objective", "epsilon_sharpness", "hessian_eigenvalues"],
        "training": ["train"],
    },
)

__all__ = ["__version__", *_lazy_names]
