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


def test_batches_of_several_samples_are_refused(regression):
    model, x, y = regression
    objective = ks.Objective(model, x, y, loss="mse", batch_size=12)
    with pytest.raises(ValueError, match="batches of 12 of 30 samples"):
        gradient_variance(objective)
