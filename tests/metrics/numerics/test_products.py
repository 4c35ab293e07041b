"""Products are those of the matrix, and what they cost is counted."""

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from keras_sharpness.metrics.numerics.products import Products

MATRIX = np.array([[2.0, 1.0, 0.0], [1.0, -3.0, 4.0], [0.0, 4.0, 5.0]])


def test_products_are_counted_vector_by_vector():
    steps = []
    multiply = Products(aslinearoperator(MATRIX), lambda: steps.append(1))
    blocks = [np.eye(3), np.ones((3, 1)), np.ones((3, 2))]
    for block in blocks:
        np.testing.assert_array_equal(multiply(block), MATRIX @ block)
    assert (multiply.size, multiply.count, len(steps)) == (3, 6, 6)
    assert multiply.seconds > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_and_not_counted(bad):
    matrix = MATRIX.copy()
    matrix[1, 2] = bad
    multiply = Products(aslinearoperator(matrix))
    with pytest.raises(FloatingPointError, match="holds NaN or infinity"):
        multiply(np.ones((3, 1)))
    assert multiply.count == 0


def test_large_numbers_are_finite_though_their_sum_is_not():
    # Four of these are beyond float64's 1.8e308.
    multiply = Products(aslinearoperator(1e308 * np.eye(4)))
    np.testing.assert_array_equal(
        multiply(np.ones((4, 1))), np.full((4, 1), 1e308)
    )
