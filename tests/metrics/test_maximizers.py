"""Where two maximisers stop, and that they do not stop at once."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective, epsilon_sharpness
from keras_sharpness.metrics.maximizers import kicked
from tests import oracle_networks


@pytest.fixture
def quadratic(float64):
    """(objective, data) of a separable quadratic, exactly at its minimum."""
    model, data = oracle_networks.load("separable_quadratic")
    return Objective(model, data["x"], data["y"]), data


def test_scipy_defaults_would_report_a_flat_minimum(quadratic):
    """The trap this maximiser avoids, kept as a reminder that it is real."""
    import scipy.optimize

    objective, _ = quadratic
    w = objective.weights
    half_widths = 1e-3 * (np.abs(w) + 1)

    def negative(d):
        value, gradient = objective.value_and_gradient(w + d)
        return -value, -gradient

    result = scipy.optimize.minimize(
        negative,
        np.zeros_like(w),
        jac=True,
        method="L-BFGS-B",
        bounds=scipy.optimize.Bounds(-half_widths, half_widths),
        options={"maxiter": 10},
    )
    assert -result.fun - objective.value() < 1e-12
    assert epsilon_sharpness(objective).value > 1e-3


def test_a_kick_flips_at_least_one_coordinate():
    """5 % of five coordinates are none."""
    z = np.array([0.5, -1.0, 0.0, 1.0, -0.1])
    generator = np.random.default_rng(0)
    for share, flipped in ((0.05, 1), (0.4, 2)):
        corner = kicked(z, share, generator=generator)
        nearest = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
        assert set(np.abs(corner)) == {1.0}
        assert np.sum(corner != nearest) == flipped
    np.testing.assert_array_equal(z, [0.5, -1.0, 0.0, 1.0, -0.1])


def test_evaluations_are_limited(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    for maximizer in ("l-bfgs-b", "frank-wolfe"):
        sharpness = epsilon_sharpness(
            objective, maximizer=maximizer, max_evaluations=3, num_starts=1
        )
        # The centre may be asked for beside a random corner.
        assert sharpness.num_evaluations <= 4


def test_frank_wolfe_backs_off_where_a_corner_is_lower(float64):
    """A concave loss: its maximum lies inside, every corner is lower."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    )
    x = np.ones((4, 1))
    objective = Objective(
        model, x, x, loss=lambda y, y_pred: -keras.ops.square(y_pred - y)
    )
    w = np.array([0.9])
    sharpness = epsilon_sharpness(
        objective, epsilon=0.5, maximizer="frank-wolfe", w=w
    )
    # f = -(w - 1)² in [-0.05, 1.85], starting from -0.01.
    assert sharpness.max_loss > sharpness.loss
    assert sharpness.value > 0
    assert sharpness.max_loss == pytest.approx(0.0, abs=1e-2)
