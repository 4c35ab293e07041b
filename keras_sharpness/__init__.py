"""Sharpness, curvature and loss landscapes of Keras models."""

import lazy_loader

from keras_sharpness.version import __version__

# Loaded on first use: `import keras_sharpness.charts` in the explorer must not
# pay for TensorFlow, nor a training script for Altair.
__getattr__, __dir__, _lazy_names = lazy_loader.attach(
    __name__,
    submodules=["data", "metrics", "models", "training"],
    submod_attrs={"metrics": ["Objective"]},
)

__all__ = ["__version__", *_lazy_names]
