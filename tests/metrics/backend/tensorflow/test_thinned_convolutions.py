"""Pointwise convolutions with strides, against TensorFlow's own."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.thinned_convolutions import (
    thinned_convolutions,
)

EPSILONS = {
    "float16": 2**-10,
    "bfloat16": 2**-7,
    "float32": 2**-23,
    "float64": 2**-52,
}


def derivatives(convolve, x, kernel, u, v):
    """Value, gradients of Σ u y² for y = x ∗ kernel, and their change by v."""

    @tf.function(autograph=False)
    def compiled(x, kernel, u, v):
        with tf.GradientTape() as outer:
            outer.watch((x, kernel))
            with tf.GradientTape() as inner:
                inner.watch((x, kernel))
                value = convolve(x, kernel)
                target = tf.reduce_sum(u * value**2)
            slopes = inner.gradient(target, (x, kernel))
            change = sum(
                tf.reduce_sum(a * b) for a, b in zip(slopes, v, strict=True)
            )
        return [value, *slopes, *outer.gradient(change, (x, kernel))]

    return [tensor.numpy() for tensor in compiled(x, kernel, u, v)]


def kinds(convolve, *shapes):
    """The kinds of operations of a convolution and its gradient."""

    @tf.function(autograph=False)
    def gradient(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch((x, kernel))
            value = convolve(x, kernel)
        return tape.gradient(value, (x, kernel))

    specs = [tf.TensorSpec(shape) for shape in shapes]
    graph = gradient.get_concrete_function(*specs).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("dtype", EPSILONS)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [2, (3, 2), [1, 2], (2, 1)])
@pytest.mark.parametrize("sides", [(8, 6), (7, 5), (1, 1)])
def test_derivatives_are_tensorflows(sides, strides, padding, dtype):
    rng = np.random.default_rng(0)

    def draw(*shape):
        return tf.cast(rng.standard_normal(shape), dtype)

    def convolve(x, kernel):
        return tf.nn.convolution(x, kernel, strides, padding)

    x, kernel = draw(2, *sides, 3), draw(1, 1, 3, 4)
    u = draw(*convolve(x, kernel).shape)
    v = (draw(*x.shape), draw(*kernel.shape))
    expected = derivatives(convolve, x, kernel, u, v)
    with thinned_convolutions():
        found = derivatives(convolve, x, kernel, u, v)
    # Sums of at most 2 x 24 pixels, each of terms that are products of three
    # factors and sums of four: so many roundings, relative to the largest.
    roundings = 48 + 3 + 4
    for a, b in zip(found, expected, strict=True):
        a, b = a.astype("float64"), b.astype("float64")
        atol = roundings * EPSILONS[dtype] * np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)
        assert np.any(b)


def test_only_the_pixels_that_are_read_are_convolved():
    def convolve(x, kernel):
        return tf.nn.convolution(x, kernel, 2, "SAME")

    shapes = (2, 8, 8, 3), (1, 1, 3, 4)
    assert "AvgPool" not in kinds(convolve, *shapes)
    with thinned_convolutions():
        assert "AvgPool" in kinds(convolve, *shapes)


@pytest.mark.parametrize(
    ("x", "kernel", "options"),
    [
        # Nothing is left out.
        ((2, 8, 8, 3), (1, 1, 3, 4), {"strides": 1}),
        # Windows of several pixels.
        ((2, 8, 8, 3), (3, 1, 3, 4), {"strides": 2}),
        # Sequences, and images of unknown size.
        ((2, 8, 3), (1, 3, 4), {"strides": 2}),
        ((2, None, None, 3), (1, 1, 3, 4), {"strides": 2}),
    ],
)
def test_the_rest_is_tensorflows(x, kernel, options):
    def convolve(x, kernel):
        return tf.nn.convolution(x, kernel, padding="SAME", **options)

    with thinned_convolutions():
        assert "AvgPool" not in kinds(convolve, x, kernel)


def test_channels_first_stay():
    def convolve(x, kernel):
        return tf.nn.convolution(x, kernel, 2, data_format="NCHW")

    with thinned_convolutions():
        assert "AvgPool" not in kinds(convolve, (2, 3, 8, 8), (1, 1, 3, 4))


@pytest.mark.parametrize("strides", [2, np.array([2, 2]), np.int64(2), [2]])
@pytest.mark.parametrize("kind", [np.asarray, keras.Variable])
def test_kernels_and_strides_as_layers_hand_them_over(kind, strides):
    rng = np.random.default_rng(0)
    kernel = kind(rng.standard_normal((1, 1, 3, 4)).astype("float32"))

    @tf.function(autograph=False)
    def compiled(x):
        # As a layer of the caller's own may do.
        return tf.nn.convolution(x, kernel, strides)

    x = tf.constant(rng.standard_normal((2, 7, 7, 3)), tf.float32)
    with thinned_convolutions():
        graph = compiled.get_concrete_function(x).graph
        found = compiled(x)
    assert "AvgPool" in {operation.type for operation in graph.get_operations()}
    every_second = x[:, ::2, ::2] @ np.asarray(kernel)[0, 0]
    # Sums of three products each.
    np.testing.assert_allclose(found, every_second, rtol=0, atol=2e-6)


def test_groups_of_channels():
    rng = np.random.default_rng(0)
    layer = keras.layers.Conv2D(6, 1, strides=2, groups=2, use_bias=False)
    x = rng.standard_normal((2, 7, 7, 4)).astype("float32")
    layer.build(x.shape)

    def outputs(context):
        @tf.function(autograph=False)
        def compiled(x):
            with context():
                return layer(x)

        return compiled(x).numpy()

    expected = outputs(contextlib.nullcontext)
    # Sums of two products each.
    np.testing.assert_allclose(
        outputs(thinned_convolutions), expected, rtol=0, atol=1e-6
    )


def test_afterwards_tensorflow_is_as_before():
    original = tf.nn.convolution
    with pytest.raises(RuntimeError), thinned_convolutions():
        raise RuntimeError
    assert tf.nn.convolution is original
