"""What is measured along lines through the weight space."""

import lazy_loader

# Loaded on first use: a stored `Interpolation` is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "interpolate": ["interpolate"],
        "interpolation": ["Interpolation"],
    },
)

__all__ = ["Interpolation", "interpolate"]
