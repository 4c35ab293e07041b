"""Matrices of known spectrum, as operators with variables."""

import numpy as np
from scipy.sparse.linalg import LinearOperator

_INDEX = np.arange(1, 101)
# From the easiest to the hardest for a stochastic estimate: the samples of
# the last are those of a χ² with one degree of freedom.
SPECTRA = {
    "flat": 1.0 + np.cos(_INDEX) / 10,
    "both signs": np.r_[6.0, -5.0, 3.0, np.cos(_INDEX[3:]) / 5],
    "decaying": 1.0 / _INDEX**2,
    "dominated": np.r_[10.0, 0.02 * (1.5 + np.cos(_INDEX[1:]))],
}
SLICES = {
    "first/kernel": slice(0, 40),
    "first/bias": slice(40, 50),
    "last/kernel": slice(50, 98),
    "last/bias": slice(98, 100),
}


def symmetric(eigenvalues, seed=0):
    """A dense symmetric matrix with the given eigenvalues."""
    size = len(eigenvalues)
    q, _ = np.linalg.qr(
        np.random.default_rng(seed).standard_normal((size, size))
    )
    return (q * eigenvalues) @ q.T


class Matrix(LinearOperator):
    """A dense symmetric matrix, its rows shared out among variables.

    `widths` collects how many vectors each product was made with.
    """

    def __init__(self, matrix, slices=None):
        self.matrix = matrix
        self.slices = slices or {}
        self.widths = []
        super().__init__(np.float64, matrix.shape)

    def _matvec(self, v):
        return self._matmat(v.reshape(-1, 1))

    def _matmat(self, block):
        self.widths.append(block.shape[1])
        return self.matrix @ block


def known(name):
    """The operator of one of the spectra."""
    return Matrix(symmetric(SPECTRA[name]), SLICES)


def coverage(values, errors, truth, rounding=1e-12):
    """How often the truth lies within two standard errors, over seeds.

    `values` and `errors` have a row for each seed. `rounding`, against the
    largest value, is what the sampling errors do not claim to hold.
    """
    values, errors = np.asarray(values), np.asarray(errors)
    slack = rounding * np.max(np.abs(truth))
    return np.mean(np.abs(values - truth) <= 2 * errors + slack, axis=0)
