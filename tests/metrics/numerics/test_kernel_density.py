"""Kernels over quadratures, by their definitions."""

import numpy as np
import pytest
from scipy import stats

from keras_sharpness.metrics.numerics.kernel_density import (
    choose_grid,
    choose_width,
    confidence_band,
    padded,
    smooth,
)
from keras_sharpness.metrics.numerics.tridiagonal import GaussQuadrature


def quadrature(nodes, residual=1.0):
    nodes = np.asarray(nodes, float)
    count = len(nodes)
    return GaussQuadrature(
        nodes=nodes,
        weights=np.full(count, 1 / count),
        residuals=np.full(count, residual),
        mean=float(np.mean(nodes)),
        noise=0.0,
    )


def test_the_width_hides_gaps_between_unresolved_values():
    width = choose_width([quadrature([0.0, 1.0, 2.0, 3.0])])
    # Half a spacing from its peak a kernel has fallen to 1 / 1.25.
    assert np.exp(-((0.5 / width) ** 2) / 2) == pytest.approx(1 / 1.25)


def test_converged_values_leave_the_narrowest_width():
    width = choose_width([quadrature([-1.0, 0.0, 1.0], residual=1e-3)])
    assert width == pytest.approx(np.sqrt(1e-5))
    # Of one value the range is the value itself.
    assert choose_width([quadrature([4.0])]) == pytest.approx(2 * np.sqrt(1e-5))
    assert choose_width([quadrature([0.0])]) > 0.0


def test_short_rows_are_filled_up_with_nothing():
    nodes, weights = padded([quadrature([1.0, 2.0]), quadrature([5.0])])
    np.testing.assert_array_equal(nodes, [[1.0, 2.0], [5.0, 5.0]])
    np.testing.assert_array_equal(weights, [[0.5, 0.5], [1.0, 0.0]])


def test_the_grid_reaches_six_widths_beyond():
    grid = choose_grid(np.array([-1.0, 3.0]), 0.5)
    assert (grid[0], grid[-1]) == (-4.0, 6.0)
    assert len(grid) == 4 * 20 + 1
    with pytest.warns(UserWarning, match="grid_size"):
        choose_grid(np.array([-1.0, 3.0]), 0.5, size=20)


def test_the_density_is_the_sum_of_gaussians():
    nodes, weights = np.array([[0.0, 2.0]]), np.array([[0.3, 0.7]])
    grid = np.linspace(-9, 9, 400)
    found = smooth(nodes, weights, grid, 0.8)
    expected = 0.3 * stats.norm.pdf(grid, 0, 0.8)
    expected += 0.7 * stats.norm.pdf(grid, 2, 0.8)
    # Rounding of two terms of at most 0.35.
    np.testing.assert_allclose(found, [expected], rtol=0, atol=1e-15)


def test_the_band_is_the_interval_of_the_logarithm():
    samples = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    lower, upper = confidence_band(samples)
    # t of two degrees of freedom at 97.5 %, over an error of 1/√3 of a mean 2.
    factor = np.exp(4.302652729911275 / np.sqrt(3) / 2)
    np.testing.assert_allclose([lower[0], upper[0]], [2 / factor, 2 * factor])
    np.testing.assert_array_equal([lower[1], upper[1]], 0.0)
    assert np.all(np.isnan(confidence_band(samples[:1])))
