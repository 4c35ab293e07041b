"""The variance of single samples' gradients."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.metrics.gradient_variance import gradient_variance


@pytest.fixture
def regression():
    """A linear model with an L2 penalty, weights, and its data."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 3)).astype("float32")
    y = generator.normal(size=30).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(
                1, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.1)
            ),
        ]
    )
    return model, x, y


def by_hand(model, x, y, sample_weight=1.0):
    w = model.get_weights()[0][:, 0].astype(float)
    slopes = 2 * (x.astype(float) @ w - y) * sample_weight
    return slopes[:, None] * x + 0.2 * w


def test_variance_and_mean_by_hand(regression):
    model, x, y = regression
    objective = ks.Objective(model, x, y, loss="mse", batch_size=1)
    gradients = by_hand(model, x, y)
    mean = gradients.mean(axis=0)
    expected = ((gradients - mean) ** 2).sum() / 29
    variance, squared = gradient_variance(objective)
    # Gradients in float32, each of a few products: 1e-6 of the largest.
    np.testing.assert_allclose(variance, expected, rtol=1e-5)
    np.testing.assert_allclose(squared, mean @ mean, rtol=1e-5)


def test_batch_gradients_are_those_of_the_batches(regression):
    model, x, y = regression
    weights = np.linspace(0.5, 2.0, 30)
    objective = ks.Objective(
        model, x, y, loss="mse", batch_size=12, sample_weight=weights
    )
    gradients = by_hand(model, x, y, weights)
    found = list(objective.batch_gradients())
    expected = [
        gradients[start : start + 12].mean(axis=0) for start in (0, 12, 24)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    sizes = [12, 12, 6]
    np.testing.assert_allclose(
        np.average(found, axis=0, weights=sizes),
        objective.gradient(),
        rtol=1e-6,
        atol=1e-7,
    )


def test_batches_estimate_the_same_variance(regression):
    model, x, y = regression
    exact, _ = gradient_variance(
        ks.Objective(model, x, y, loss="mse", batch_size=1)
    )
    generator = np.random.default_rng(1)
    found = []
    for _ in range(100):
        order = generator.permutation(30)
        objective = ks.Objective(
            model, x[order], y[order], loss="mse", batch_size=5
        )
        gradients = by_hand(model, x[order], y[order])
        means = gradients.reshape(6, 5, 3).mean(axis=1)
        expected = ((means - means.mean(axis=0)) ** 2).sum() / 5 * 5
        found.append(expected)
        if len(found) <= 2:
            variance, _ = gradient_variance(objective)
            np.testing.assert_allclose(variance, expected, rtol=1e-5)
    # Six batches, three directions: an estimate deviates by less than
    # √(2 / 5), the mean of a hundred by a tenth of that.
    deviation = np.std(found) / np.sqrt(100)
    assert deviation < 0.1 * exact
    assert abs(np.mean(found) - exact) < 4 * deviation


@pytest.mark.parametrize("batch_size", [12, 30])
def test_unequal_batches_are_refused(regression, batch_size):
    model, x, y = regression
    objective = ks.Objective(model, x, y, loss="mse", batch_size=batch_size)
    with pytest.raises(ValueError, match=f"in batches of {batch_size}"):
        gradient_variance(objective)
