"""The first 5,000 evenly distributed digits of MNIST, shipped inside."""

import pathlib
from typing import Any

import numpy as np

__all__ = ["CLASS_NAMES", "HOMEPAGE", "LICENCE", "Builder", "read"]

CLASS_NAMES = tuple("0123456789")
HOMEPAGE = "http://yann.lecun.com/exdb/mnist/"
LICENCE = "CC BY-SA 3.0, Yann LeCun and Corinna Cortes"


def read(split: str) -> tuple[np.ndarray, np.ndarray]:
    """The digits of a split, out of the archive.

    Args:
        split: String, `"train"` or `"test"`.

    Returns:
        Images (N, 28, 28, 1) uint8, and labels (N,) uint8.
    """
    archive = pathlib.Path(__file__).with_name("mnist_5k.npz")
    with np.load(archive, allow_pickle=False) as arrays:
        return arrays[f"x_{split}"][..., np.newaxis], arrays[f"y_{split}"]


def __getattr__(name: str) -> Any:
    # The digits themselves need neither TensorFlow Datasets nor TensorFlow.
    if name == "Builder":
        from keras_sharpness.data.mnist_5k.mnist_5k_dataset_builder import (
            Builder,
        )

        return Builder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
