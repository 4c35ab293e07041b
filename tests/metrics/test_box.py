"""The box against the chain rule and NumPy's pseudo-inverse."""

import numpy as np
import pytest

from keras_sharpness.metrics import Objective, epsilon_sharpness
from keras_sharpness.metrics.box import (
    Box,
    multiply,
    pseudo_inverse,
    random_basis,
)
from tests import oracle_networks


@pytest.fixture
def quadratic(float64):
    """(objective, data) of a separable quadratic, exactly at its minimum."""
    model, data = oracle_networks.load("separable_quadratic")
    return Objective(model, data["x"], data["y"]), data


def test_infinite_loss_in_the_box_is_an_error(quadratic):
    objective, _ = quadratic
    with pytest.raises(FloatingPointError, match="smaller `epsilon`"):
        epsilon_sharpness(objective, epsilon=1e160)


def test_unit_columns_give_a_smaller_box(float64):
    model, data = oracle_networks.load("mlp_tanh")
    objective = Objective(model, data["x"], data["y"])
    normal, unit = (
        epsilon_sharpness(objective, subspace_dim=5, subspace_scaling=scaling)
        for scaling in ("normal", "unit")
    )
    assert unit.value < normal.value
    # Five columns of length 1, each within its half-width.
    assert np.linalg.norm(unit.displacement) <= np.sum(
        np.abs(unit.coordinates)
    ) * (1 + 1e-6)


def test_a_box_has_the_gradient_of_its_own_coordinates(quadratic):
    """f(x + A (b ∘ z)), by the chain rule and NumPy's pseudo-inverse."""
    objective, _ = quadratic
    x = objective.weights
    rng = np.random.default_rng(0)
    z = rng.uniform(-1.0, 1.0, 3)
    basis = rng.standard_normal((3, len(x)))
    half_widths = 0.1 * (np.abs(np.linalg.pinv(basis.T) @ x) + 1)
    box = Box(objective, x, 0.1, basis)
    step = basis.T @ (half_widths * z)
    # Gaussian columns have a condition below 10: roundings of 18-term sums.
    np.testing.assert_allclose(box.half_widths, half_widths, rtol=1e-12)
    np.testing.assert_allclose(box.displacement(z), step, atol=1e-13)
    value, gradient = box.value_and_gradient(z)
    assert value == pytest.approx(objective.value(x + step), rel=1e-12)
    expected = half_widths * (basis @ objective.gradient(x + step))
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def test_the_centre_and_the_last_point_are_evaluated_once(quadratic):
    objective, _ = quadratic
    seen = []
    box = Box(
        objective, objective.weights, 0.1, on_evaluation=lambda: seen.append(1)
    )
    corner = np.ones(box.dimension)
    centre = np.zeros(box.dimension)
    for z in (centre, corner, corner, centre, 2.0 * corner):
        box.value_and_gradient(z)
    # Twice the corner is clipped to it.
    assert box.num_evaluations == len(seen) == 2
    assert box.best_value == objective.value(
        objective.weights + box.half_widths
    )
    np.testing.assert_array_equal(box.best_z, corner)


def test_random_columns():
    normal, unit = (
        random_basis(5000, 4, scaling=scaling, seed=1)
        for scaling in ("normal", "unit")
    )
    assert normal.dtype == unit.dtype == np.float32
    # The mean square of 20,000 normal deviates is good to √(2 / 20,000) = 1 %.
    assert np.mean(normal**2) == pytest.approx(1.0, abs=0.04)
    lengths = np.linalg.norm(normal, axis=1, keepdims=True)
    # Float32 divisions.
    np.testing.assert_allclose(unit, normal / lengths, rtol=1e-6)
    assert not np.array_equal(
        normal, random_basis(5000, 4, scaling="normal", seed=2)
    )


def test_products_in_pieces():
    """More rows than one piece of 65,536 holds."""
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((2, 70_000))
    x = rng.standard_normal(70_000)
    # Sums of 70,000 terms in another order: their roundings add up to about
    # √70,000 · 1e-16 of the sum of magnitudes.
    np.testing.assert_allclose(multiply(basis, x), basis @ x, atol=1e-9)
    np.testing.assert_allclose(
        pseudo_inverse(basis, x), np.linalg.pinv(basis.T) @ x, atol=1e-12
    )
