"""Symmetry and repeatability of matrices that are known."""

import numpy as np
import pytest

from keras_sharpness.metrics.checks.operator import (
    repeatability_row,
    symmetry_row,
)

EPSILON = 2.0**-52
VECTORS = np.random.default_rng(0).standard_normal((30, 20))


def test_a_symmetric_matrix():
    matrix = np.diag(np.arange(30.0)) + 1.0
    row = symmetry_row(VECTORS, matrix @ VECTORS, EPSILON)
    assert row.verdict == "ok"
    # Sums of thirty products.
    assert row.value < 30 * EPSILON
    assert row.limit == 2.0**-26


def test_an_antisymmetric_matrix():
    upper = np.triu(np.random.default_rng(1).standard_normal((30, 30)), 1)
    row = symmetry_row(VECTORS, (upper - upper.T) @ VECTORS, EPSILON)
    assert row.verdict == "fail"
    # ‖H − Hᵀ‖ / ‖H‖; 190 pairs are good to 1/√380 = 5 %, three of these.
    assert row.value == pytest.approx(2.0, rel=0.15)


def test_zero_is_symmetric_and_repeats():
    zero = np.zeros_like(VECTORS)
    assert symmetry_row(VECTORS, zero, EPSILON).verdict == "ok"
    assert repeatability_row(zero, zero, EPSILON).value == 0.0


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        (0.0, "ok", "in every bit"),
        (1e-12, "ok", "up to the order of its sums"),
        (1e-3, "fail", "Take the randomness out"),
    ],
)
def test_products_that_change(change, verdict, words):
    row = repeatability_row(VECTORS, VECTORS * (1 + change), EPSILON)
    assert row.verdict == verdict
    assert words in row.explanation
    # One plus a number is rounded to EPSILON.
    assert row.value == pytest.approx(change, abs=EPSILON)
