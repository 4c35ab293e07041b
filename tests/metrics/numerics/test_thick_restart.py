"""Extreme eigenvalues through restarts: right, and in bounded memory."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from keras_sharpness.metrics import hessian_eigenvalues
from tests.metrics.spectra import symmetric

MULTIPLE = np.array([3.0, 3.5, 4.0, 4.0, 5.0, 5.0])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def assert_orthonormal(vectors, rounding=1.0):
    # Two passes leave a few roundings of 200-term products, in float64 or in
    # numbers with `rounding` times its errors.
    np.testing.assert_allclose(
        vectors.T @ vectors,
        np.eye(vectors.shape[1]),
        rtol=0,
        atol=1e-13 * rounding,
    )


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
