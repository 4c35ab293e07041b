"""The range of coordinates that shows all of some points."""

import numpy as np

# Of the larger range, on all sides: what surrounds the points is of interest.
_MARGIN = 0.25


def extent_around(points: np.ndarray) -> np.ndarray:
    """The ranges of α and β around points, with the same margin everywhere.

    Args:
        points: Array (k, 2).

    Returns:
        Array (2, 2): lowest and highest α, lowest and highest β.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    margin = _MARGIN * float(np.max(high - low)) or 1.0
    return np.stack([low - margin, high + margin], axis=1)
