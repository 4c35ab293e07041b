"""The Lanczos basis: orthonormal, true to its relation, in bounded memory."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from keras_sharpness.metrics import hessian_eigenvalues
from keras_sharpness.metrics.numerics.basis import HostBasis
from keras_sharpness.metrics.numerics.lanczos import Lanczos


def symmetric(eigenvalues, seed=0):
    """A dense symmetric matrix with the given eigenvalues."""
    size = len(eigenvalues)
    q, _ = np.linalg.qr(
        np.random.default_rng(seed).standard_normal((size, size))
    )
    return (q * eigenvalues) @ q.T


MULTIPLE = np.array([3.0, 3.5, 4.0, 4.0, 5.0, 5.0])


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


@pytest.mark.parametrize(
    ("basis_dtype", "tolerance"), [("float64", 1e-8), ("float32", 2e-6)]
)
@pytest.mark.parametrize("which", ["largest", "smallest", "both"])
@pytest.mark.parametrize("k", [1, 2, 6])
@pytest.mark.parametrize(
    "spectrum",
    [
        np.linspace(-1, 2, 300),
        np.r_[10 + 1e-5 * np.arange(4), np.linspace(-3, 3, 250)],
        np.r_[np.zeros(60), np.geomspace(1e-9, 2, 99), MULTIPLE, -MULTIPLE],
    ],
    ids=["even", "clustered", "multiple"],
)
def test_known_spectra_through_many_restarts(
    spectrum, k, which, basis_dtype, tolerance
):
    matrix = symmetric(spectrum)
    result = hessian_eigenvalues(
        aslinearoperator(matrix),
        k=k,
        which=which,
        tolerance=tolerance,
        max_products=5000,
        eigenvectors=True,
        basis_dtype=basis_dtype,
    )
    rounding = np.finfo(basis_dtype).eps / np.finfo("float64").eps
    ordered = np.sort(spectrum)[::-1]
    expected = {
        "largest": ordered[:k],
        "smallest": ordered[-k:],
        "both": np.r_[ordered[:k], ordered[-k:]],
    }[which]
    # An eigenvalue is at least as good as its residual, or rounding.
    np.testing.assert_allclose(
        result.eigenvalues, expected, rtol=tolerance, atol=1e-13 * rounding
    )
    assert np.all(result.converged)
    u = result.eigenvectors
    rest = np.linalg.norm(matrix @ u - u * result.eigenvalues, axis=0)
    # Rounding of 300-term sums, times the norm 10.
    np.testing.assert_allclose(
        result.residuals, rest, rtol=0, atol=1e-12 * rounding
    )
    assert_orthonormal(u, rounding)


def test_copies_up_to_the_block_size_are_found():
    # No invariant subspace helps here: the rest of the spectrum is dense.
    matrix = symmetric(np.r_[3.0, 3.0, 3.0, 2.9, np.linspace(-1, 2, 196)])
    result = hessian_eigenvalues(aslinearoperator(matrix), k=4, block_size=3)
    # The square of the residual over the gap to 2.9.
    np.testing.assert_allclose(result.eigenvalues, [3, 3, 3, 2.9], rtol=1e-4)


def test_low_rank_and_all_of_a_small_space():
    spectrum = np.r_[5.0, 5.0, 5.0, -2.0, np.zeros(196)]
    matrix = symmetric(spectrum)
    for k in (2, 3, 7, 20):
        result = hessian_eigenvalues(aslinearoperator(matrix), k=k)
        # Rounding of 200-term sums.
        np.testing.assert_allclose(
            result.eigenvalues, np.sort(spectrum)[::-1][:k], atol=1e-12
        )
        assert result.num_products < 40
    for size in (1, 2, 9, 22, 23, 31):
        spectrum = normal(size)
        for k in {1, size // 2 or 1, max(1, size - 1), size}:
            result = hessian_eigenvalues(
                aslinearoperator(symmetric(spectrum)), k=k, tolerance=1e-9
            )
            np.testing.assert_allclose(
                result.eigenvalues,
                np.sort(spectrum)[::-1][:k],
                rtol=1e-9,
                atol=1e-13,
            )


def test_same_seed_same_bits_through_restarts():
    operator = aslinearoperator(symmetric(np.linspace(-1, 1, 400)))
    results = [
        hessian_eigenvalues(
            operator,
            k=3,
            tolerance=0.01,
            max_products=1000,
            seed=seed,
            eigenvectors=True,
        )
        for seed in (4, 4, 5)
    ]
    assert results[0].num_products > 2 * 26
    for name in ("eigenvalues", "residuals", "eigenvectors"):
        first, second, other = (getattr(r, name) for r in results)
        np.testing.assert_array_equal(first, second)
        assert np.any(first != other)


class Diagonal(LinearOperator):
    """A diagonal matrix that allocates its product and nothing else."""

    def __init__(self, entries):
        super().__init__(np.float64, (len(entries), len(entries)))
        self.entries = entries

    def _matmat(self, block):
        return self.entries[:, None] * block


@pytest.mark.parametrize(
    ("options", "most"),
    [
        # 2n + 20 vectors; two products and their masks of an eighth each.
        ({"k": 3}, 26 + 2 * 9 / 8),
        ({"k": 3, "basis_dtype": "float32"}, 26 / 2 + 2 * 9 / 8),
        ({"k": 2, "which": "both"}, 28 + 2 * 9 / 8),
        ({"k": 3, "block_size": 5}, 26 + 5 * 9 / 8),
        # The vectors that are returned.
        ({"k": 3, "eigenvectors": True}, 26 + 3),
    ],
)
def test_memory_stays_within_the_formula(options, most):
    size = 200_000
    operator = Diagonal(np.linspace(-1, 1, size) ** 3)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        with pytest.warns(UserWarning, match="have a residual above"):
            result = hessian_eigenvalues(
                operator, max_products=150, tolerance=1e-9, **options
            )
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert result.num_products == 150
    # A fifth of a vector, 320 kB, for panels and for the small matrices.
    assert peak < 8 * size * (most + 0.2)
