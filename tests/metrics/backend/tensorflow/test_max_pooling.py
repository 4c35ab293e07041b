"""Max-pooling by indices, against TensorFlow's own gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.max_pooling import (
    quick_max_pooling,
)
from keras_sharpness.metrics.backend.tensorflow.smallest_cut import cut

CASES = [
    (3, 2, "SAME"),
    (2, 2, "VALID"),
    ((3, 2), (2, 1), "SAME"),
    (2, 3, "VALID"),
    (2, 2, "SAME"),
]


def derivatives(pool, x, u, v):
    """Value, gradient of uᵀ pool(x²), and its product with v."""

    @tf.function(autograph=False)
    def compiled(x, u, v):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = pool(x**2 / 2)
                # The second derivative by u is that of the scatter.
                target = tf.reduce_sum(u * value**2)
            slope = inner.gradient(target, x)
        return value, slope, outer.gradient(slope, x, output_gradients=v)

    return [t.numpy() for t in compiled(x, u, v)]


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize(("size", "strides", "padding"), CASES)
def test_derivatives_are_tensorflows(
    size, strides, padding, integers, rectified
):
    rng = np.random.default_rng(0)
    shape = (2, 7, 6, 3)
    # Small integers for ties.
    draw = (
        (lambda s: rng.integers(-1, 2, s).astype("float32"))
        if integers
        else (lambda s: rng.standard_normal(s).astype("float32"))
    )
    x, v = draw(shape), draw(shape)

    def pool(x):
        # Of x²/2, half of it or more is cut off.
        x = tf.nn.relu(0.5 - x) if rectified else x
        return tf.nn.max_pool(x, size, strides, padding)

    u = draw(pool(x).shape)
    expected = derivatives(pool, x, u, v)
    with quick_max_pooling():
        found = derivatives(pool, x, u, v)
    for a, b in zip(found, expected, strict=True):
        # Sums over at most 6 windows, in another order: 5 roundings of 6e-8
        # each, relative to the largest term.
        np.testing.assert_allclose(a, b, rtol=0, atol=4e-7 * np.abs(b).max())
    assert np.any(expected[2])


def test_it_takes_the_place_of_the_slow_operations():
    @tf.function(autograph=False)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.nn.max_pool(x, 2, 2, "VALID")
        return tape.gradient(value, x)

    x = tf.random.stateless_normal((1, 4, 4, 1), (0, 1))
    with quick_max_pooling():
        graph = gradient.get_concrete_function(x).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert "MaxPoolGrad" not in kinds
    assert "MaxPoolGradWithArgmax" in kinds


@pytest.mark.parametrize(
    ("activation", "most"), [(tf.nn.relu, 4 * 4), (tf.tanh, 8 * 8)]
)
def test_of_a_relu_only_what_is_pooled_is_needed(activation, most):
    """By a product, of its first passes."""

    @tf.function(autograph=False)
    def product(vector, kernel, images):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as inner:
                inner.watch(kernel)
                hidden = activation(tf.nn.conv2d(images, kernel, 1, "SAME"))
                value = tf.nn.max_pool(hidden, 2, 2, "VALID") ** 2
            slope = inner.gradient(value, kernel)
        return [outer.gradient(slope, kernel, output_gradients=vector)]

    weights = tf.TensorSpec((3, 3, 1, 5))
    with quick_max_pooling():
        concrete = product.get_concrete_function(
            weights, weights, tf.TensorSpec((2, 8, 8, 1))
        )
    kept, _ = cut([concrete.inputs[0].name], concrete.outputs)
    entries = max(t.shape.num_elements() for t in kept if t.shape.rank == 4)
    assert entries == 2 * most * 5


def test_afterwards_tensorflow_is_as_before():
    original = tf.nn.max_pool
    with pytest.raises(RuntimeError), quick_max_pooling():
        raise RuntimeError
    assert tf.nn.max_pool is original


@pytest.mark.parametrize("given", [np.asarray, keras.Variable, tf.Variable])
@pytest.mark.parametrize(
    "size", [2, np.int64(2), np.array([2, 2]), (2, 2), [1, 2, 2, 1]]
)
def test_whatever_tensorflow_takes(given, size):
    images = np.random.default_rng(0).standard_normal((2, 4, 4, 3))
    images = given(images.astype("float32"))
    expected = tf.nn.max_pool(images, size, size, "VALID")

    @tf.function(autograph=False)
    def pooled():
        return tf.nn.max_pool(images, size, size, "VALID")

    with quick_max_pooling():
        assert np.array_equal(pooled(), expected)
