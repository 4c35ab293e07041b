"""Derivatives of softmax and cross-entropies, against TensorFlow's own."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.saturation import (
    saturated_derivatives,
)

RNG = np.random.default_rng(0)
SHAPE = (3, 4, 5)
LOGITS = 2 * RNG.standard_normal(SHAPE)
CLASSES = RNG.integers(0, 5, (3, 4))
LABELS = RNG.dirichlet(np.ones(5), (3, 4))
OTHER_AXIS = np.moveaxis(RNG.dirichlet(np.ones(4), (3, 5)), -1, 1)
FUNCTIONS = {
    "softmax": lambda z: tf.nn.softmax(z) ** 2,
    "softmax of the first axis": lambda z: tf.nn.softmax(z, axis=0) ** 2,
    "softmax of a middle axis": lambda z: tf.math.softmax(z, axis=-2) ** 2,
    "log-softmax": lambda z: tf.nn.log_softmax(z) ** 2,
    "log-softmax of an axis": lambda z: tf.math.log_softmax(z, axis=1) ** 2,
    "sparse": lambda z: tf.nn.sparse_softmax_cross_entropy_with_logits(
        CLASSES, z
    ),
    "dense": lambda z: tf.nn.softmax_cross_entropy_with_logits(LABELS, z),
    "dense along an axis": lambda z: tf.nn.softmax_cross_entropy_with_logits(
        OTHER_AXIS, z, axis=1
    ),
    "binary": lambda z: tf.nn.sigmoid_cross_entropy_with_logits(LABELS, z),
    "binary labels": lambda z: tf.nn.sigmoid_cross_entropy_with_logits(
        tf.sigmoid(z**2), z
    ),
    "softplus": lambda z: tf.nn.softplus(z) ** 2,
}


def drawn(outputs, inputs):
    """The weights of the outputs, and two vectors of the inputs' shape."""
    rng = np.random.default_rng(1)
    return rng.standard_normal(outputs), *rng.standard_normal((2, *inputs))


def derivatives(function, z, block=contextlib.nullcontext):
    """Value, gradient of a sum, and two derivatives along vectors."""
    weight, u, v = drawn(function(tf.constant(z)).shape, z.shape)

    @tf.function(autograph=False)
    def compiled(z):
        with tf.GradientTape() as third:
            third.watch(z)
            with tf.GradientTape() as second:
                second.watch(z)
                with tf.GradientTape() as first:
                    first.watch(z)
                    value = function(z)
                    total = tf.reduce_sum(tf.cast(weight, z.dtype) * value)
                slope = first.gradient(total, z)
            bend = second.gradient(slope, z, tf.cast(u, z.dtype))
        return value, slope, bend, third.gradient(bend, z, tf.cast(v, z.dtype))

    with block():
        return [t.numpy().astype(float) for t in compiled(tf.constant(z))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_tensorflows_where_nothing_cancels(name):
    expected = derivatives(FUNCTIONS[name], LOGITS)
    found = derivatives(FUNCTIONS[name], LOGITS, saturated_derivatives)
    for a, b in zip(found, expected, strict=True):
        # Three derivatives of at most four factors each, sums of five; logits
        # up to 6 times terms of them.
        assert np.max(np.abs(a - b)) <= 100 * 2**-52 * np.max(np.abs(b))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_tensorflows(dtype):
    for name in ("sparse", "softmax"):
        z = np.asarray(tf.cast(LOGITS, dtype))
        expected = derivatives(FUNCTIONS[name], z)
        found = derivatives(FUNCTIONS[name], z, saturated_derivatives)
        epsilon = {"float16": 2**-10, "bfloat16": 2**-7}[dtype]
        for a, b in zip(found[:3], expected[:3], strict=True):
            assert np.max(np.abs(a - b)) <= 8 * epsilon * np.max(np.abs(b))


def test_labels_that_follow_from_the_logits():
    # TensorFlow leaves out what the residual changes by with the labels.
    def function(z):
        return tf.nn.softmax_cross_entropy_with_logits(
            tf.nn.softmax(z[..., ::-1]), z
        )

    found = derivatives(function, LOGITS, saturated_derivatives)[2]
    _, u, _ = drawn((3, 4), SHAPE)
    step = 1e-5
    ends = [
        derivatives(function, LOGITS + sign * step * u)[1] for sign in (1, -1)
    ]
    expected = (ends[0] - ends[1]) / (2 * step)
    # Third derivatives times the squared step, and rounding over the step.
    assert np.max(np.abs(found - expected)) <= 1e-9 * np.max(np.abs(expected))


@pytest.mark.parametrize("gap", [5.0, 20.0, 80.0])
def test_saturated_in_float32(gap):
    z = np.array([[gap, 0.0, 1.0]], "float32")
    weight, (u,), _ = drawn((1,), (1, 3))
    e = np.exp(z[0].astype(float) - gap)
    p = e / e.sum()
    # (diag(p) - p pᵀ) u by pairs of classes.
    expected = np.array(
        [sum(p[i] * p[j] * (u[i] - u[j]) for j in range(3)) for i in range(3)]
    )

    def log_softmax(z):
        return -tf.nn.log_softmax(z)[:, 0]

    def cross_entropy(z):
        return tf.nn.sparse_softmax_cross_entropy_with_logits([0], z)

    for function in (log_softmax, cross_entropy):
        _, slope, bend, _ = derivatives(function, z, saturated_derivatives)
        residual = np.array([-p[1] - p[2], p[1], p[2]])
        # Exponentials of three terms, and sums of three.
        close = {"rtol": 16 * 2.0**-23}
        np.testing.assert_allclose(slope[0], weight * residual, **close)
        np.testing.assert_allclose(bend[0], weight * expected, **close)


def test_softplus_of_a_large_number_has_curvature():
    x = np.array([20.0], "float32")
    weight, u, _ = drawn((1,), (1,))

    def softplus(x):
        return tf.math.softplus(x)

    bend = derivatives(softplus, x, saturated_derivatives)[2]
    expected = weight * u * np.exp(-20.0) / (1 + np.exp(-20.0)) ** 2
    np.testing.assert_allclose(bend, expected, rtol=8 * 2.0**-23)


def test_attention_that_is_certain():
    # A quadratic form of the softmax: its second derivative is of the size of
    # the smaller share.
    def attention(z):
        return tf.reduce_sum(tf.nn.softmax(z) * [[1.0, 3.0, -2.0]], axis=1)

    z = np.array([[18.0, 0.0, 1.0]])
    wide = derivatives(attention, z)[1:3]
    narrow = derivatives(attention, z.astype("float32"), saturated_derivatives)[
        1:3
    ]
    for a, b in zip(narrow, wide, strict=True):
        # In float64 what cancels leaves eight digits of 1e-8.
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_other_arguments_are_tensorflows_affair():
    ragged = tf.ragged.constant([[1.0, 2.0], [3.0]])
    expected = tf.nn.softmax([[1.0, 2.0]])
    with saturated_derivatives():
        found = tf.nn.softmax([[1.0, 2.0]])
        assert tf.nn.softmax(keras.Variable([1.0, 1.0]))[0] == 0.5
        with contextlib.suppress(ValueError, TypeError):
            tf.nn.softmax(ragged)
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            tf.nn.softmax(tf.zeros((2, 3)), axis=2)
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                tf.constant([0, 1, 2]), tf.zeros((2, 3))
            )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(tf.nn.softmax([[1.0, 2.0]]), expected)


def test_the_mark_of_keras_survives():
    @tf.function(autograph=False)
    def loss(z):
        p = tf.nn.softmax(z)
        return keras.losses.categorical_crossentropy([[1.0, 0.0]], p)

    z = tf.constant([[0.0, 30.0]])
    plain = loss(z).numpy()
    with saturated_derivatives():
        again = tf.function(loss.python_function, autograph=False)(z).numpy()
    # From logits; of clipped probabilities it would be 16.
    np.testing.assert_array_equal(again, plain)
    assert abs(again[0] - 30.0) < 1e-5
