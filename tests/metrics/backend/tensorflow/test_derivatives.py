"""Derivatives of functions whose derivatives are known."""

import contextlib
import types

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.backend import (
    gradient_and_hessian,
    hessian_product,
    jacobian_square_product,
    value_and_gradient,
)

# Sums of a few float64 products of numbers near 1.
EXACT = {"rtol": 1e-13, "atol": 1e-13}
A = np.array([[2.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 4.0]])
W = [tf.constant([1.0, -2.0], tf.float64), tf.constant([0.5], tf.float64)]
V = [tf.constant([0.3, 0.7], tf.float64), tf.constant([-1.5], tf.float64)]


def flat(parts):
    return np.concatenate([np.ravel(part) for part in parts])


def quadratic(weights, factor):
    """factor · (½ wᵀ A w + Σ w³)."""
    w = tf.concat(weights, 0)
    bent = tf.reduce_sum(w * tf.linalg.matvec(A, w)) / 2
    return factor * (bent + tf.reduce_sum(w**3))


def hessian_at(w, factor):
    return factor * (A + np.diag(6 * w))


def test_value_and_gradient():
    value, gradient = value_and_gradient(quadratic)(W, 2.0, 0.25)
    w = flat(W)
    np.testing.assert_allclose(value, w @ A @ w + 2 * np.sum(w**3), **EXACT)
    # The value is that of the loss, the gradient a quarter of it.
    expected = 0.25 * 2.0 * (A @ w + 3 * w**2)
    np.testing.assert_allclose(flat(gradient), expected, **EXACT)


def test_hessian_product():
    product = hessian_product(quadratic)(W, 2.0, 0.25, V)
    expected = 0.25 * hessian_at(flat(W), 2.0) @ flat(V)
    np.testing.assert_allclose(flat(product), expected, **EXACT)


def test_of_some_weights_only():
    (part,) = value_and_gradient(quadratic, places=(1,))(W, 2.0, 1.0)[1]
    whole = value_and_gradient(quadratic)(W, 2.0, 1.0)[1]
    np.testing.assert_array_equal(part, whole[1])
    (block,) = hessian_product(quadratic, places=(1,))(W, 2.0, 1.0, V[1:])
    expected = hessian_at(flat(W), 2.0)[2:, 2:] @ V[1].numpy()
    np.testing.assert_allclose(block, expected, **EXACT)


def test_weights_that_do_not_count_have_a_zero_gradient():
    def loss(weights):
        return tf.reduce_sum(weights[0] ** 2)

    gradient = value_and_gradient(loss)(W, 1.0)[1]
    np.testing.assert_array_equal(gradient[1], [0.0])
    np.testing.assert_array_equal(hessian_product(loss)(W, 1.0, V)[1], [0.0])


def test_jacobian_square_product():
    """Outputs u = B w + w², penalty Σ w⁴, M diagonal."""
    b = np.arange(6.0).reshape(2, 3)
    m = np.array([2.0, 5.0])

    def forward(weights, shift):
        w = tf.concat(weights, 0)
        outputs = tf.linalg.matvec(b, w) + tf.reduce_sum(w**2) + shift
        passed = types.SimpleNamespace(
            outputs=outputs, penalty=tf.reduce_sum(w**4)
        )
        return contextlib.nullcontext(passed)

    def bend(passed, shift):
        assert passed.outputs.shape == (2,)
        assert shift == 3.0
        return lambda tangents: [m * tangents[0]]

    product = jacobian_square_product(forward, bend)(W, 3.0, 0.5, V)
    w, v = flat(W), flat(V)
    jacobian = b + 2 * w
    expected = jacobian.T @ (m * (jacobian @ v)) + 12 * w**2 * v
    np.testing.assert_allclose(flat(product), 0.5 * expected, **EXACT)


def test_gradient_and_hessian():
    slope, multiply = gradient_and_hessian(lambda w: quadratic(w, 1.0), W)
    w = flat(W)
    np.testing.assert_allclose(flat(slope), A @ w + 3 * w**2, **EXACT)
    expected = hessian_at(w, 1.0) @ flat(V)
    np.testing.assert_allclose(flat(multiply(V)), expected, **EXACT)
