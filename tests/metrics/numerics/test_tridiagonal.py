"""Gauss quadratures by Lanczos, against moments and dense matrices."""

import numpy as np
import pytest

from keras_sharpness.metrics.numerics.tridiagonal import gauss_quadratures

SIZE = 300


def symmetric(eigenvalues, seed=0):
    """A dense symmetric matrix with the given eigenvalues."""
    size = len(eigenvalues)
    q, _ = np.linalg.qr(
        np.random.default_rng(seed).standard_normal((size, size))
    )
    matrix = (q * eigenvalues) @ q.T
    return (matrix + matrix.T) / 2


def goe(size, seed=0):
    """A matrix whose eigenvalues follow the semicircle on [-2, 2]."""
    matrix = np.random.default_rng(seed).standard_normal((size, size))
    return (matrix + matrix.T) / np.sqrt(2 * size)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("dtype", "overlap", "length"),
    [
        # Roundings of 300-term sums.
        ("float64", 1e-14, 1e-13),
        # A dot product of unit vectors in float32; the square of a length that
        # was divided by a norm rounded to 6e-8.
        ("float32", 1.2e-7, 1.3e-7),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_bases_stay_orthonormal(dtype, overlap, length, noise):
    """Also where the products are as inexact as those of float32 models."""
    generator = np.random.default_rng(1)
    matrix = symmetric(np.geomspace(1e-8, 1e3, SIZE))
    matrix = matrix + noise * generator.standard_normal(matrix.shape)
    seen = []

    def multiply(block):
        seen.append(block.T.astype("float64"))
        return matrix @ block

    starts = unit(generator.standard_normal((2, SIZE)))
    gauss_quadratures(multiply, starts, num_steps=60, basis_dtype=dtype)
    for run in range(2):
        basis = np.stack([block[run] for block in seen])
        gram = basis @ basis.T - np.eye(60)
        assert np.max(np.abs(np.diag(gram))) <= length
        assert np.max(np.abs(gram - np.diag(np.diag(gram)))) <= overlap


def test_quadrature_is_exact_for_polynomials():
    matrix = goe(60) / 2
    start = unit(np.random.default_rng(2).standard_normal((1, 60)))
    (quadrature,) = gauss_quadratures(
        lambda block: matrix @ block, start, num_steps=5
    )
    power = start[0]
    for degree in range(11):
        estimate = quadrature.weights @ quadrature.nodes**degree
        error = abs(estimate - start[0] @ power)
        # Rounding of a few 60-term sums, all of order 1; the first degree
        # that is not exact is off by the squares of the betas, 1/4⁵.
        assert error <= 1e-14 if degree < 10 else error > 1e-4
        power = matrix @ power


def test_residuals_are_those_of_the_ritz_vectors():
    matrix = goe(80)
    seen = []

    def multiply(block):
        seen.append(block[:, 0].copy())
        return matrix @ block

    start = unit(np.ones((1, 80)))
    (quadrature,) = gauss_quadratures(multiply, start, num_steps=20)
    basis = np.stack(seen, axis=1)
    _, coordinates = np.linalg.eigh(basis.T @ matrix @ basis)
    vectors = basis @ coordinates
    true = np.linalg.norm(matrix @ vectors - vectors * quadrature.nodes, axis=0)
    # Rounding, and that of the eigenvectors: over gaps of about 0.1.
    np.testing.assert_allclose(quadrature.residuals, true, rtol=0, atol=1e-12)


def test_runs_are_independent_and_end_at_invariant_subspaces():
    """The weights of a run that ended early are those of its probe."""
    eigenvalues = np.repeat([3.0, 1.0, 0.0, -2.0], [2, 4, 10, 4])
    matrix = symmetric(eigenvalues)
    values, vectors = np.linalg.eigh(matrix)
    starts = unit(np.random.default_rng(3).standard_normal((3, 20)))
    # Runs of different lengths in one block: this one is done after a step.
    starts[1] = vectors[:, 0]
    quadratures = gauss_quadratures(
        lambda block: matrix @ block, starts, num_steps=15
    )
    assert [len(q.nodes) for q in quadratures] == [4, 1, 4]
    for start, quadrature in zip(starts, quadratures, strict=True):
        for node, weight in zip(
            quadrature.nodes, quadrature.weights, strict=True
        ):
            here = np.abs(values - node) < 1e-12  # rounding of 20-term sums
            expected = np.sum((vectors[:, here].T @ start) ** 2)
            np.testing.assert_allclose(weight, expected, rtol=0, atol=1e-13)
        # Rounding of the norm of nothing, against the norm 3 of the matrix.
        assert np.all(quadrature.residuals <= 1e-13 * 3)
