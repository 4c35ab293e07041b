"""Derivatives of the moments, by closed forms."""

import threading

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.exact_moments import (
    exact_moments,
)

AXES = [
    pytest.param([0], id="batch"),
    pytest.param([1], id="layer"),
    pytest.param([0, 2], id="two axes"),
]


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return tf.constant(3.0 + rng.standard_normal((4, 5, 2)))


def derivatives(x, axes, keepdims, weigh):
    """The moments, a gradient of their squares' sum, and its product."""
    direction = tf.cos(tf.reshape(tf.range(40.0, dtype=x.dtype), x.shape))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            mean, variance = tf.nn.moments(x, axes, keepdims=keepdims)
            total = tf.reduce_sum(weigh(mean, variance))
        gradient = inner.gradient(total, x)
    product = outer.gradient(gradient, x, output_gradients=direction)
    return mean, variance, gradient, product, direction


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", AXES)
def test_second_derivative(x, axes, keepdims):
    """Of the variance's sum: (2/n) (v − mean v) in each group.

    Rounding: n ≤ 20 terms of size 1.
    """
    with exact_moments():
        *_, product, direction = derivatives(
            x, axes, keepdims, lambda mean, variance: variance
        )
    num = np.prod([x.shape[axis] for axis in axes])
    centred = direction - tf.reduce_mean(direction, axes, keepdims=True)
    np.testing.assert_allclose(product, 2 / num * centred, atol=1e-15)


@pytest.mark.parametrize("axes", AXES)
def test_third_derivative(x, axes):
    """Of V³, whose third derivative along v is `6 V'³ + 18 V V' V''`.

    Along a line, V is a parabola: V' = 2 cov(x, v), V'' = 2 var(v), V''' = 0.
    Rounding: some hundred operations on numbers below 1e3.
    """
    direction = tf.cos(tf.reshape(tf.range(40.0, dtype=x.dtype), x.shape))
    step = tf.constant(0.0, x.dtype)
    with exact_moments(), tf.GradientTape() as third:
        third.watch(step)
        with tf.GradientTape() as second:
            second.watch(step)
            with tf.GradientTape() as first:
                first.watch(step)
                variance = tf.nn.moments(x + step * direction, axes)[1]
                total = tf.reduce_sum(variance**3)
            slope = first.gradient(total, step)
        bend = second.gradient(slope, step)
    found = third.gradient(bend, step)
    order = [axis for axis in range(3) if axis not in axes] + axes
    num = int(np.prod([x.shape[axis] for axis in axes]))
    groups, along = (
        np.transpose(values, order).reshape(-1, num)
        for values in (x.numpy(), direction.numpy())
    )
    groups = groups - groups.mean(axis=1, keepdims=True)
    along = along - along.mean(axis=1, keepdims=True)
    value = (groups**2).mean(axis=1)
    first, second = 2 * (groups * along).mean(axis=1), 2 * (along**2).mean(1)
    expected = np.sum(6 * first**3 + 18 * value * first * second)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_are_tensorflows(x, axes, keepdims, dtype):
    """Bit for bit: what is added to them is zero."""

    def weigh(mean, variance):
        return mean**2 / tf.sqrt(variance)

    x = tf.cast(x, dtype)
    expected = derivatives(x, axes, keepdims, weigh)
    with exact_moments():
        found = derivatives(x, axes, keepdims, weigh)
    for one, other in zip(found[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    # TensorFlow's own product is another one: the block is what makes it right.
    assert np.max(np.abs(found[3] - expected[3])) > 1e-3


def test_other_threads_keep_tensorflows_own(x):
    def weigh(mean, variance):
        return variance

    expected = derivatives(x, [0], False, weigh)[3].numpy()
    found = []
    with exact_moments():
        thread = threading.Thread(
            target=lambda: found.append(
                derivatives(x, [0], False, weigh)[3].numpy()
            )
        )
        thread.start()
        thread.join()
    np.testing.assert_array_equal(found[0], expected)


def test_tensorflows_own_is_back_after_an_exception():
    original = tf.nn.moments
    with pytest.raises(ZeroDivisionError), exact_moments():
        raise ZeroDivisionError
    assert tf.nn.moments is original
