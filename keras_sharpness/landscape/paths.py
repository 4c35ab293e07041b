"""Paths between two points of the weight space."""

from typing import Literal

import numpy as np

from keras_sharpness import arguments

Path = Literal["linear", "curvilinear"]


def coefficients(path: Path, alpha: float) -> tuple[float, float]:
    """The weights of start and end at one α.

    `"linear"`: `(1 − α, α)`; `"curvilinear"`: `(cos απ/2, sin απ/2)`. Both give
    the start at α = 0 and the end at α = 1, to the last bit.

    Args:
        path: Str.
        alpha: Float.

    Returns:
        Two floats.

    Raises:
        ValueError: For an unknown path.

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Figures 3 and 7.
    """
    arguments.one_of("path", path, Path)
    # cos(π/2) is 6e-17.
    if path == "linear" or alpha in (0.0, 1.0):
        return 1.0 - alpha, alpha
    return np.cos(alpha * np.pi / 2), np.sin(alpha * np.pi / 2)
