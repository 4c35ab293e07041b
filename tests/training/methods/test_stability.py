"""Stability training against NumPy, with the noise that Keras drew."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import Stability
from keras_sharpness.training.state import epoch_order

LOSSES = keras.losses


def divergence(p, q):
    return np.sum(p * (np.log(p) - np.log(q)), axis=-1)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def noise_of_the_first_step(shape, deviation, seed):
    """What `seed` draws, by the same rule as for the model's generators."""
    first = np.random.default_rng([seed, 0, 1]).integers(1, 10**9)
    generator = keras.random.SeedGenerator(int(first))
    return np.asarray(
        keras.random.normal(
            shape, stddev=deviation, dtype="float64", seed=generator
        )
    )


def finite_difference_step(function, w, rate):
    """w − rate · ∇ function(w), by central differences."""
    slope, h = np.zeros_like(w), 1e-5
    for index in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[index] = h
        slope[index] = (function(w + step) - function(w - step)) / (2 * h)
    return w - rate * slope


@pytest.mark.parametrize("logits", [True, False])
def test_a_linear_softmax_model_equals_numpy(float64, blobs, logits):
    x, y = blobs[0].astype("float64"), blobs[1]
    alpha, deviation, seed, rate = 0.5, 0.4, 3, 0.25
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(
                3, None if logits else "softmax", use_bias=False
            ),
        ]
    )
    w = np.array(model.weights[0])
    order = epoch_order(50, seed=seed, epoch=0)
    noisy = x[order] + noise_of_the_first_step((50, 4), deviation, seed)
    sample_weight = np.linspace(0.5, 1.5, 50)

    def loss(w):
        p = softmax(x[order] @ w)
        value = -np.log(p[np.arange(50), y[order]])
        return np.mean(sample_weight[order] * value)

    def added(w):
        p, q = softmax(x[order] @ w), softmax(noisy @ w)
        return np.mean(sample_weight[order] * divergence(p, q))

    history = ks.train(
        model, x, y, batch_size=50, epochs=1, seed=seed,
        loss=LOSSES.SparseCategoricalCrossentropy(from_logits=logits),
        sample_weight=sample_weight, optimizer=keras.optimizers.SGD(rate),
        # XLA draws other numbers of the same seed.
        method=Stability(weight=alpha, deviation=deviation), jit_compile=False,
    )  # fmt: skip
    assert history.loss[0] == pytest.approx(loss(w), rel=1e-9)
    assert history.logged["stability_loss"][0] == pytest.approx(
        added(w), rel=1e-9
    )
    expected = finite_difference_step(
        lambda w: loss(w) + alpha * added(w), w, rate
    )
    # Central differences: h² times third derivatives below 10, and rounding
    # of 1e-16 / h.
    np.testing.assert_allclose(model.weights[0], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("logits", [True, False])
def test_two_classes_in_one_output(float64, blobs, logits):
    x, y = blobs[0].astype("float64"), (blobs[1] == 0).astype("float64")
    layer = keras.layers.Dense(1, None if logits else "sigmoid", use_bias=False)
    model = keras.Sequential([keras.Input((4,)), layer])
    w = np.array(model.weights[0])
    history = ks.train(
        model, x, y, batch_size=50, epochs=1,
        loss=LOSSES.BinaryCrossentropy(from_logits=logits),
        optimizer=keras.optimizers.SGD(0.0),
        method=Stability(weight=0.5, deviation=0.4), jit_compile=False,
    )  # fmt: skip
    order = epoch_order(50, seed=0, epoch=0)
    noisy = x[order] + noise_of_the_first_step((50, 4), 0.4, 0)
    p, q = sigmoid(x[order] @ w), sigmoid(noisy @ w)
    expected = divergence(np.hstack([p, 1 - p]), np.hstack([q, 1 - q])).mean()
    assert history.logged["stability_loss"][0] == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": -0.1}, "`weight` must be a finite number"),
        ({"deviation": np.inf}, "`deviation` must be a finite number"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Stability(**settings)


def test_losses_and_inputs_that_do_not_fit(blobs, make_convnet, images):
    x = blobs[0]
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    options = {"batch_size": 10, "epochs": 1, "method": Stability()}
    with pytest.raises(ValueError, match="the loss mean_squared_error"):
        ks.train(model, x, x[:, :1], loss="mse", **options)
    with pytest.raises(ValueError, match="`x` of dtype uint8"):
        ks.train(make_convnet(), *images, **options)
