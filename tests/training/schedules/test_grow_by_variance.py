"""Batches that grow where the gradient drowns in its noise."""

import keras
import numpy as np

import keras_sharpness as ks
from keras_sharpness.training import GrowByVariance


def row(batch_size, variance, squared):
    return {
        "batch_size": batch_size,
        "gradient_variance": variance,
        "squared_gradient": squared,
    }


def test_size_is_the_least_that_passes_the_test():
    schedule = GrowByVariance(theta=0.5, initial=16, factor=1e6)
    many = 10**6
    assert schedule.next_size([], num_samples=many) == 16
    # V / B ≤ θ² ‖G‖²: 4 / 16 = 0.25 · 1 passes, and 4.1 needs 17.
    assert schedule.next_size([row(16, 4.0, 1.0)], num_samples=many) == 16
    assert schedule.next_size([row(16, 4.1, 1.0)], num_samples=many) == 17
    assert schedule.next_size([row(16, 1e9, 1.0)], num_samples=500) == 500
    # Never smaller again; and no gradient at all asks for all samples.
    assert schedule.next_size([row(64, 4.0, 1.0)], num_samples=many) == 64
    assert schedule.next_size([row(16, 1.0, 0.0)], num_samples=500) == 500
    limited = GrowByVariance(theta=0.5, initial=16, most=20)
    assert limited.next_size([row(16, 1e9, 1.0)], num_samples=500) == 20
    doubled = GrowByVariance(theta=0.5, initial=16)
    assert doubled.next_size([row(16, 1e9, 1.0)], num_samples=500) == 32


def test_training_measures_variance_and_gradient():
    # ℓ = (w x − y)² at x = 1 with gradients 2 (w − y). Batches of all samples:
    # the variance is four times that of y, whatever w is.
    generator = np.random.default_rng(0)
    y = generator.normal(2.0, 1.0, 16).astype("float32")
    x = np.ones((16, 1), "float32")
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse")
    schedule = GrowByVariance(theta=0.9, initial=2)
    history = ks.train(model, x, y, batch_size=schedule, epochs=20)
    grown = history.logged["batch_size"]
    assert grown[0] == 2
    assert grown[-1] == 16
    w = float(model.get_weights()[0][0, 0])
    # float32 gradients, each rounded to 6e-8 of itself.
    np.testing.assert_allclose(
        history.logged["gradient_variance"][-1], 4 * y.var(ddof=1), rtol=1e-5
    )
    np.testing.assert_allclose(
        history.logged["squared_gradient"][-1],
        4 * (w - y.mean()) ** 2,
        rtol=1e-3,
        atol=1e-10,
    )
    rows = [
        row(*values)
        for values in zip(
            grown,
            history.logged["gradient_variance"],
            history.logged["squared_gradient"],
            strict=True,
        )
    ]
    expected = [
        schedule.next_size(rows[:epoch], num_samples=16) for epoch in range(20)
    ]
    np.testing.assert_array_equal(grown, expected)
