"""All that is set while a model is traced, together."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend import differentiable


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(3)])


def curvature(function, x, v):
    """∇²F(x) v by two tapes, F the sum of the function's values."""
    x, v = tf.constant(x), tf.constant(v)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = tf.reduce_sum(function(x))
        slope = inner.gradient(value, x)
    return outer.gradient(slope, x, output_gradients=v).numpy()


def test_variances_have_their_second_derivative(model):
    x, v = np.random.default_rng(0).standard_normal((2, 5))
    with differentiable(model):
        found = curvature(lambda x: tf.nn.moments(x, [0])[1], x, v)
    # The variance is xᵀ C x / n, C = I − 1 1ᵀ / n: its Hessian is 2 C / n.
    expected = 2 / 5 * (v - v.mean())
    # Some ten roundings of numbers of size 1.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_saturated_cross_entropies_keep_their_digits(model):
    logits = np.array([[60.0, 0.0]])
    v = np.array([[1.0, -1.0]])

    def loss(x):
        return tf.nn.softmax_cross_entropy_with_logits([[1.0, 0.0]], x)

    with differentiable(model):
        found = curvature(loss, logits, v)
    # p (1 − p) (1, −1), times v₁ − v₂ = 2; 1 − p = e⁻⁶⁰ to 1e-26 of it.
    rest = np.exp(-60.0)
    np.testing.assert_allclose(found, [[2 * rest, -2 * rest]], rtol=1e-12)


def test_gradients_without_a_gradient_have_one(model):
    x = np.array([0.5, -2.0])
    with differentiable(model):
        found = curvature(tf.nn.softsign, x, np.ones(2))
    np.testing.assert_allclose(
        found, -2 * np.sign(x) / (1 + np.abs(x)) ** 3, rtol=1e-14
    )


def test_afterwards_everything_is_as_before(model):
    (layer,) = model.layers
    functions = [
        (owner, name, getattr(owner, name))
        for owner in (tf, tf.nn, tf.math)
        for name in dir(owner)
        if not name.startswith("__")
    ]
    with differentiable(model), differentiable(model):
        assert layer.use_cudnn is False
        assert all(tf.nn.moments is not value for *_, value in functions)
    with pytest.raises(KeyError), differentiable(model):
        raise KeyError
    assert layer.use_cudnn == "auto"
    for owner, name, value in functions:
        assert getattr(owner, name) is value, name


def test_one_thread_at_a_time(model):
    """A second one sees cuDNN switched off by itself, not by the first."""
    entered, seen = threading.Event(), []

    def second():
        entered.wait()
        with differentiable(model):
            seen.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with differentiable(model):
        entered.set()
        # Time enough to come in, if it could.
        thread.join(0.2)
        seen.append("first")
    thread.join()
    assert seen == ["first", "second"]
    assert model.layers[0].use_cudnn == "auto"
