"""The Lanczos basis: orthonormal, true to its relation, in bounded memory."""

import numpy as np
import pytest

from keras_sharpness.metrics.numerics.basis import HostBasis
from keras_sharpness.metrics.numerics.lanczos import Lanczos
from tests.metrics.spectra import symmetric


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def basis(lanczos):
    return lanczos.vectors(np.eye(lanczos.num_vectors))


def assert_orthonormal(vectors, rounding=1.0):
    # Two passes leave a few roundings of 200-term products, in float64 or in
    # numbers with `rounding` times its errors.
    np.testing.assert_allclose(
        vectors.T @ vectors,
        np.eye(vectors.shape[1]),
        rtol=0,
        atol=1e-13 * rounding,
    )


def assert_ritz_pairs_are_true(matrix, lanczos):
    """Values and residuals against the definition."""
    ritz = lanczos.ritz()
    vectors = lanczos.vectors(ritz.coordinates)
    values = ritz.values * lanczos.unit
    rest = matrix @ vectors - vectors * values
    # Rounding of 200-term sums, times the norm of the matrix.
    accuracy = 1e-13 * np.linalg.norm(matrix, 2)
    np.testing.assert_allclose(
        np.sum(vectors * (matrix @ vectors), axis=0),
        values,
        rtol=0,
        atol=accuracy,
    )
    np.testing.assert_allclose(
        np.linalg.norm(rest, axis=0),
        ritz.residuals * lanczos.unit,
        rtol=0,
        atol=accuracy,
    )


def test_basis_stays_orthonormal():
    matrix = symmetric(np.geomspace(1e-8, 1e3, 200))
    lanczos = Lanczos(lambda v: matrix @ v, HostBasis(200, capacity=123))
    lanczos.wait(normal(3, 200).T)
    for _ in range(40):
        lanczos.step(3)
    assert lanczos.num_vectors == 120
    assert_orthonormal(basis(lanczos))
    assert_ritz_pairs_are_true(matrix, lanczos)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_relation_holds_after_restarts_and_rotations(count):
    """Steps of any size, whatever waits."""
    matrix = symmetric(np.r_[np.linspace(-4, 5, 190), 9 + 1e-6 * np.arange(10)])
    lanczos = Lanczos(lambda v: matrix @ v, HostBasis(200, capacity=30))
    lanczos.wait(normal(4, 200).T)
    for _ in range(25):
        if lanczos.num_free < count:
            ritz = lanczos.ritz()
            size = lanczos.num_vectors
            lanczos.restart(ritz, np.arange(size - 9, size), [1e3])
            assert_ritz_pairs_are_true(matrix, lanczos)
        lanczos.step(count)
        lanczos.sort_waiting(lanczos.ritz().couplings[:, -2:])
    assert lanczos.num_waiting == 4
    assert_orthonormal(basis(lanczos))
    assert_ritz_pairs_are_true(matrix, lanczos)


def test_sorted_residuals_come_first():
    matrix = symmetric(np.linspace(-1, 1, 50))
    lanczos = Lanczos(lambda v: matrix @ v, HostBasis(50, capacity=12))
    lanczos.wait(normal(3, 50).T)
    lanczos.step(3)
    ritz = lanczos.ritz()
    top = lanczos.vectors(ritz.coordinates[:, -1:])
    rest = matrix @ top - top * (ritz.values[-1] * lanczos.unit)
    lanczos.sort_waiting(ritz.couplings[:, -1:])
    lanczos.step(1)
    # The vector just taken in is the residual's direction, to rounding.
    overlap = basis(lanczos)[:, -1] @ rest[:, 0]
    np.testing.assert_allclose(
        abs(overlap), ritz.residuals[-1] * lanczos.unit, rtol=1e-12
    )


@pytest.mark.parametrize("angle", [1e-3, 1e-7, 1e-11])
def test_nearly_dependent_vectors_become_orthonormal(angle):
    start = normal(4, 200)
    start[2] = start[0] + angle * start[2]
    start[3] = 1e30 * start[3]
    lanczos = Lanczos(lambda v: v, HostBasis(200, capacity=8))
    lanczos.wait(start.T)
    assert lanczos.num_waiting == 4
    lanczos.step(4)
    assert_orthonormal(basis(lanczos))
    # An angle of 1e-11 is known to five digits.
    part = basis(lanczos).T @ (start / np.linalg.norm(start, axis=1)[:, None]).T
    np.testing.assert_allclose(np.linalg.norm(part, axis=0), 1, rtol=1e-12)


def test_dependent_vectors_are_left_out():
    start = np.vstack([normal(2, 60), np.zeros(60)])
    start = np.vstack([start, start[0] - 3 * start[1]])
    lanczos = Lanczos(lambda v: 0 * v, HostBasis(60, capacity=8))
    lanczos.wait(start.T)
    assert lanczos.num_waiting == 2
    lanczos.step(2)
    assert lanczos.num_waiting == 0
    np.testing.assert_array_equal(lanczos.ritz().residuals, 0.0)
