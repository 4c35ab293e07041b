"""Planes around one minimum."""

import numpy as np

from keras_sharpness.landscape import (
    hessian_plane,
)


def test_eigenvectors_of_a_quadratic(quadratic):
    """H = 2 XᵀX ∕ N; the oracle is NumPy's eigendecomposition."""
    objective, x, _ = quadratic
    values, vectors = np.linalg.eigh(2.0 * x.T @ x / len(x))
    plane = hessian_plane(objective, tolerance=1e-9)
    np.testing.assert_allclose(
        plane.made["eigenvalues"], values[:-3:-1], rtol=1e-9
    )
    # An angle is at most the residual over the gap, here 1e-9 over 0.4.
    cosines = np.abs(np.sum(plane.directions * vectors[:, :-3:-1].T, axis=1))
    np.testing.assert_allclose(cosines, 1.0, rtol=1e-12)
    assert np.all(np.max(plane.directions, axis=1) > 0)
