"""Power iteration with deflation, against known spectra."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from keras_sharpness.metrics import hessian_eigenvalues
from keras_sharpness.metrics.numerics.power_iteration import power_iteration
from tests.metrics.spectra import symmetric


class Diagonal(LinearOperator):
    """A diagonal matrix; eigenvectors hardly matter to random starts."""

    def __init__(self, entries):
        super().__init__(np.float64, (len(entries), len(entries)))
        self.entries = np.asarray(entries)

    def _matmat(self, block):
        return self.entries[:, None] * block


BULK = np.linspace(-0.2, 0.5, 300)


def test_power_iteration_finds_the_largest_magnitude():
    matrix = symmetric(np.r_[-8.0, 5.0, np.linspace(-1, 1, 48)])
    result = hessian_eigenvalues(
        aslinearoperator(matrix), k=2, method="power", tolerance=1e-10
    )
    # Stops when λ changes by 1e-10; the error is that over one less the
    # squared ratio of the eigenvalues.
    np.testing.assert_allclose(result.eigenvalues, [5.0, -8.0], rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-300, 1e-5, 1.0, 1e300])
def test_power_iteration_at_any_size(scale):
    found = hessian_eigenvalues(
        Diagonal(np.r_[-8.0, 5.0, BULK] * scale),
        k=2,
        method="power",
        tolerance=1e-8,
    )
    # It stops when the eigenvalue changes by 1e-8 of itself.
    np.testing.assert_allclose(found.eigenvalues / scale, [5, -8], rtol=1e-6)


def test_power_iteration_says_where_it_has_not_settled():
    operator = Diagonal([5.0, -5.0, 1.0, 0.5])
    with pytest.warns(UserWarning, match="tells λ from -λ"):
        found = hessian_eigenvalues(operator, method="power")
    assert not found.converged[0]


def test_the_products_are_shared_out_among_the_vectors():
    entries = np.array([4.0, 3.9, 3.8, 1.0])[:, None]
    seen = []

    def multiply(block):
        seen.append(block.shape)
        return entries * block

    found = power_iteration(
        multiply, 4, k=2, tolerance=1e-14, max_products=10, seed=0
    )
    assert seen == [(4, 1)] * 10
    vectors = found.vectors()
    # Made orthogonal to those before it, to rounding, at the last product.
    assert abs(vectors[:, 0] @ vectors[:, 1]) < 1e-14
    rest = entries * vectors - vectors * found.values
    np.testing.assert_allclose(
        np.linalg.norm(rest, axis=0), found.residuals, rtol=0, atol=1e-14
    )
