"""Central differences of losses whose derivatives are known."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.checks.differences import (
    bend,
    differences,
    typical_weight,
)

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 3)), RNG.standard_normal((20, 1))
VECTORS = RNG.standard_normal((3, 2))
OPTIONS = {"steps": (1e-5, 1e-6), "limit": 1e-5, "epsilon": 2.0**-52}


def objective(loss):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, use_bias=False)]
    )
    found = Objective(model, X, Y, loss=loss)
    return found, found.weights


def square():
    """The mean of (x·w − y)², with the Hessian 2 XᵀX / n."""
    return (*objective("mse"), 2 * X.T @ X / 20 @ VECTORS)


def test_right_derivatives_agree(float64):
    found = differences(*_at(square(), 1.0), **OPTIONS)
    # Rounding over the step: 1e-16 / 1e-5, times a few.
    assert found.gradient < 1e-9
    assert found.product < 1e-9


@pytest.mark.parametrize("factor", [0.5, 1.1])
def test_a_wrong_product_is_as_wrong_as_it_is(factor, float64):
    found = differences(*_at(square(), factor), **OPTIONS)
    assert found.gradient < 1e-9
    # Relative to the product that is given.
    assert found.product == pytest.approx(abs(1 / factor - 1), rel=1e-6)
    assert found.variable.endswith("kernel")


def _at(problem, factor):
    found, w, products = problem
    return found, w, VECTORS, factor * products


def test_a_quadratic_does_not_bend(float64):
    found, w, products = square()
    # Rounding over the step of a thousandth.
    assert bend(found, w, VECTORS[:, 0], products[:, 0]) < 1e-11


def test_third_derivatives_bend(float64):
    def cubic(y, y_pred):
        return keras.ops.mean(y_pred**3, axis=-1)

    found, w = objective(cubic)
    v = VECTORS[:, 0]
    outputs, tangents = X @ w, X @ v
    product = 6 * X.T @ (outputs * tangents) / 20
    # Central differences of a quadratic gradient are exact.
    assert bend(found, w, v, product) < 1e-11

    def quartic(y, y_pred):
        return keras.ops.mean(y_pred**4, axis=-1)

    found, w = objective(quartic)
    outputs = X @ w
    product = 12 * X.T @ (outputs**2 * tangents) / 20
    # ((a + h b)³ − (a − h b)³) / 2h = 3 a² b + h² b³, times 4.
    step = 1e-3 * typical_weight(w)
    missed = 4 * step**2 * X.T @ tangents**3 / 20
    expected = np.linalg.norm(missed) / np.linalg.norm(product)
    # Rounding of the gradient over the step, 1e-13 of it, beside 1e-6.
    assert bend(found, w, v, product) == pytest.approx(expected, rel=1e-5)


def test_where_the_product_is_zero_there_is_nothing_to_miss(float64):
    found, w = objective(lambda y, y_pred: y * y_pred)
    assert np.isnan(bend(found, w, VECTORS[:, 0], np.zeros(3)))


def test_typical_weight():
    assert typical_weight(np.array([3.0, -4.0])) == np.sqrt(12.5)
    assert typical_weight(np.zeros(3)) == 1.0
