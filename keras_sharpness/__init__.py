"""Sharpness, curvature and loss landscapes of Keras models."""

import lazy_loader
import wrapt

from keras_sharpness.version import __version__

# Loaded on first use: `import keras_sharpness.charts` in the explorer must not
# pay for TensorFlow, nor a training script for Altair.
__getattr__, __dir__, _lazy_names = lazy_loader.attach(
    __name__,
    submodules=[
        "callbacks",
        "charts",
        "data",
        "landscape",
        "metrics",
        "models",
        "runs",
        "saving",
        "studies",
        "training",
    ],
    submod_attrs={
        "landscape": [
            "connect_minima",
            "direction_bundle",
            "interpolate",
            "loss_surface",
        ],
        "metrics": [
            "Objective",
            "check",
            "epsilon_sharpness",
            "hessian_diagonal",
            "hessian_eigenvalues",
            "hessian_frobenius_norm",
            "hessian_trace",
            "sampling_error",
            "spectral_density",
        ],
        "training": ["train"],
    },
)


@wrapt.when_imported("keras")
def _register_networks(_keras: object) -> None:
    # So that `keras.saving.load_model` finds F1 to C4 by name, in whichever
    # order the two packages are imported.
    import keras_sharpness.models  # noqa: F401


__all__ = ["__version__", *_lazy_names]
