"""Means and variances of samples that are too long to keep."""

import numpy as np


class Moments:
    """Means and variances of vectors that are too long to keep.

    Args:
        size: Int. Their length.

    Attributes:
        count: Int. How many there were.
        mean: Array (size,).

    Reference:
        Chan, Golub and LeVeque 1983,
        https://doi.org/10.1080/00031305.1983.10483115.
    """

    def __init__(self, size: int):
        self.count = 0
        self.mean = np.zeros(size)
        self._squares = np.zeros(size)  # Σ (x − mean)²

    def add(self, samples: np.ndarray) -> None:
        """Takes in samples (size, b)."""
        added = samples.shape[1]
        mean = np.mean(samples, axis=1)
        total = self.count + added
        step = mean - self.mean
        self._squares += np.sum((samples - mean[:, None]) ** 2, axis=1)
        self._squares += step**2 * (self.count * added / total)
        self.mean += step * (added / total)
        self.count = total

    def variance(self) -> np.ndarray:
        """The unbiased variances (size,) of the entries."""
        return self._squares / (self.count - 1)
