"""Second derivatives that TensorFlow lacks, against dense matrices."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.second_gradients import (
    complete_gradients,
    without_cudnn,
)


def second_directional(function, x, v):
    """The gradient of ∇F(x)ᵀ v, F the sum of a nonlinear function's values."""
    complete_gradients()
    x, v = tf.constant(x), tf.constant(v)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = tf.reduce_sum(function(x))
        slope = inner.gradient(value, x)
    return outer.gradient(slope, x, output_gradients=v).numpy()


def test_softsign():
    x = np.array([-3.0, -0.5, 0.2, 4.0])
    found = second_directional(tf.nn.softsign, x, np.ones(4))
    # s'' = -2 sign(x) / (1 + |x|)³, a handful of roundings.
    expected = -2 * np.sign(x) / (1 + np.abs(x)) ** 3
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize(
    "method", ["bilinear", "bicubic", "nearest", "lanczos3", "mitchellcubic"]
)
@pytest.mark.parametrize("size", [(6, 5), (2, 3)])
def test_resizing(method, size):
    """F = Σ (R x)³ has the Hessian Rᵀ diag(6 R x) R, R read off by columns."""

    def resize(image):
        return tf.image.resize(image, size, method=method)

    generator = np.random.default_rng(0)
    x, v = generator.standard_normal((2, 1, 3, 4, 1)).astype("float32")
    units = np.eye(12, dtype="float32").reshape(12, 3, 4, 1)
    matrix = resize(units).numpy().reshape(12, -1).T.astype("float64")
    found = second_directional(lambda image: resize(image) ** 3, x, v)
    curvature = 6 * matrix @ x.ravel()
    expected = matrix.T @ (curvature * (matrix @ v.ravel()))
    # TensorFlow resizes in float32: sums of some ten terms of size 10.
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-4, atol=1e-4)


def test_first_derivatives_stay():
    image = tf.constant(np.random.default_rng(0).random((1, 3, 4, 2)))
    complete_gradients()
    complete_gradients()  # a second time changes nothing
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = tf.reduce_sum(tf.image.resize(image, (5, 6)) ** 2)
    ours = tape.gradient(value, image)
    resized = tf.image.resize(image, (5, 6))
    theirs = tf.raw_ops.ResizeBilinearGrad(
        grads=2 * resized, original_image=image, half_pixel_centers=True
    )
    np.testing.assert_array_equal(ours, theirs)


def test_recurrent_layers_leave_cudnn_alone_for_a_while():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((3, 2)),
            layers.LSTM(2, return_sequences=True),
            layers.GRU(2, use_cudnn=False),
        ]
    )
    with without_cudnn(model):
        assert [layer.use_cudnn for layer in model.layers] == [False, False]
    assert [layer.use_cudnn for layer in model.layers] == ["auto", False]
