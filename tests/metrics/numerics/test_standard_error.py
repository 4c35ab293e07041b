"""The standard error against known distributions and tables of t."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma

from keras_sharpness.metrics.numerics.standard_error import (
    standard_error,
    student_factor,
)


def held(samples, truth):
    errors = standard_error(samples)
    return np.mean(np.abs(np.mean(samples, axis=-1) - truth) <= 2 * errors)


@pytest.mark.parametrize("count", [8, 16, 32])
def test_two_standard_errors_hold_normal_means_at_any_count(count):
    samples = np.random.default_rng(count).standard_normal((20000, count))
    # 95.45 %; the skewness of few normal samples, g² ≈ 6/n, widens by 7/n²,
    # which adds up to 1 %. Four deviations √(p (1 − p) / 20000) are 0.6 %.
    assert 0.9485 < held(samples, 0.0) < 0.9705


def test_the_skewness_counts():
    samples = np.random.default_rng(0).chisquare(1, (20000, 32))
    plain = np.std(samples, axis=1, ddof=1) / np.sqrt(32)
    below = np.mean(np.abs(np.mean(samples, axis=1) - 1.0) <= 2 * plain)
    # Four deviations of the two shares are 1 % together.
    assert held(samples, 1.0) > below + 0.01
    assert 0.92 < held(samples, 1.0) < 0.9545


def test_the_formula_on_two_samples():
    # s/√2 = 1, no skewness, t of one degree of freedom: Cauchy's quantile.
    quantile = np.tan(np.pi * (0.9772498680518208 - 0.5))
    error = standard_error(np.array([4.0, 6.0]))
    # Rounding of a quantile near 14.
    assert abs(error - quantile / 2) < 1e-10


def test_equal_samples_have_no_error():
    np.testing.assert_array_equal(standard_error(np.full((3, 5), 2.5)), 0.0)


@pytest.mark.parametrize("degrees", [1, 4, 31])
def test_the_factor_is_the_quantile_of_students_t(degrees):
    constant = gamma((degrees + 1) / 2) / gamma(degrees / 2)
    constant /= np.sqrt(degrees * np.pi)
    limit = 2 * student_factor(degrees + 1)
    share, _ = quad(
        lambda t: constant * (1 + t**2 / degrees) ** (-(degrees + 1) / 2),
        -limit,
        limit,
    )
    # What ±2 hold of a normal distribution; the quadrature is good to 1e-8.
    assert abs(share - 0.9544997361036416) < 1e-7


def test_many_samples_need_no_factor():
    # t differs from a normal deviate by (z³ + z) / 4n: 2.5 / 1e6.
    assert abs(student_factor(10**6) - 1.0) < 1e-5
