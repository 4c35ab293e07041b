"""The matrices M of Jᵀ M J, against closed forms in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.loss.forward import Forward
from keras_sharpness.metrics.loss.losses import loss_specification
from keras_sharpness.metrics.output_matrices import (
    check_likelihood,
    empirical_fisher,
    fisher,
    gauss_newton,
    monte_carlo_fisher,
)

losses = keras.losses
RNG = np.random.default_rng(0)
LOGITS, TANGENT = RNG.standard_normal((2, 5, 3))
LABELS = np.array([0, 2, 1, 1, 2])
WEIGHTS = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
# A few roundings of numbers of size 1.
CLOSE = {"rtol": 0, "atol": 1e-14}


def sparse():
    return losses.SparseCategoricalCrossentropy(from_logits=True)


def multiplied(
    matrix, loss, y, *, outputs=LOGITS, tangent=TANGENT, weights=None
):
    """M times a tangent, computed as a graph."""
    specification = loss_specification(loss)

    @tf.function(autograph=False)
    def traced(outputs, tangent, weights, index):
        def value(outputs, sample_weight, *, y=y, alone=True):
            del alone
            return specification.mean(y, outputs, sample_weight)

        forward = Forward(
            predictions=outputs,
            outputs=outputs,
            specification=specification,
            penalty=None,
            loss=value,
        )
        (product,) = matrix(forward, weights, index)([tangent])
        return product

    return traced(
        tf.constant(outputs),
        tf.constant(TANGENT),
        None if weights is None else tf.constant(weights),
        tf.constant(3),
    ).numpy()


def curvature(v):
    """(diag(p) − p pᵀ) v of every sample."""
    return SHARES * v - SHARES * np.sum(SHARES * v, axis=1, keepdims=True)


@pytest.mark.parametrize("matrix", [gauss_newton, fisher])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_cross_entropy_from_logits(matrix, weights, float64):
    found = multiplied(matrix, sparse(), LABELS, weights=weights)
    factor = 1.0 if weights is None else weights[:, None]
    np.testing.assert_allclose(found, factor * curvature(TANGENT) / 5, **CLOSE)


@pytest.mark.parametrize("matrix", [gauss_newton, fisher])
def test_squared_error(matrix, float64):
    found = multiplied(matrix, losses.MeanSquaredError(), LOGITS)
    # Of the mean over five samples of three outputs.
    np.testing.assert_allclose(found, 2 * TANGENT / 15, **CLOSE)


def test_exact_fisher_by_probabilities(float64):
    loss = losses.SparseCategoricalCrossentropy()
    found = multiplied(fisher, loss, LABELS, outputs=SHARES)
    # Keras divides by the sum of the probabilities, which takes their mean
    # direction out: E[u uᵀ] = diag(1/p) − 1 1ᵀ.
    expected = (TANGENT / SHARES - TANGENT.sum(axis=1, keepdims=True)) / 5
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_empirical_fisher(weights, float64):
    found = multiplied(empirical_fisher, sparse(), LABELS, weights=weights)
    slope = SHARES - np.eye(3)[LABELS]
    inner = np.sum(slope * TANGENT, axis=1, keepdims=True)
    factor = 1.0 if weights is None else weights[:, None]
    np.testing.assert_allclose(found, factor * slope * inner / 5, **CLOSE)


def draws(function, *arguments, seed=7, num_samples=4, **options):
    """As they have been since the first version: by index and seed."""
    outputs = np.repeat(LOGITS, num_samples, axis=0)
    key = tf.constant([3, seed], tf.int64)
    return function(outputs, key, *arguments, **options).numpy()


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_monte_carlo_draws_classes(weights, float64):
    found = multiplied(
        monte_carlo_fisher(num_samples=4, seed=7),
        sparse(),
        LABELS,
        weights=weights,
    )
    drawn = draws(
        lambda outputs, key: tf.random.stateless_categorical(outputs, 1, key)
    )
    slope = np.repeat(SHARES, 4, axis=0) - np.eye(3)[drawn[:, 0]]
    inner = np.sum(slope * np.repeat(TANGENT, 4, axis=0), axis=1, keepdims=True)
    expected = (slope * inner).reshape(5, 4, 3).sum(axis=1) / (4 * 5)
    factor = 1.0 if weights is None else weights[:, None]
    np.testing.assert_allclose(found, factor * expected, **CLOSE)


def test_monte_carlo_draws_normal_errors(float64):
    found = multiplied(
        monte_carlo_fisher(num_samples=4, seed=7),
        losses.MeanSquaredError(),
        LOGITS,
    )
    noise = draws(
        lambda outputs, key: tf.random.stateless_normal(
            outputs.shape, key, stddev=0.5**0.5, dtype="float64"
        )
    )
    # The slope of (y − f)² is −2 (y − f); outputs are independent.
    square = (4 * noise**2).reshape(5, 4, 3).mean(axis=1)
    np.testing.assert_allclose(found, square * TANGENT / 15, rtol=1e-12)


def test_monte_carlo_draws_binary_labels(float64):
    found = multiplied(
        monte_carlo_fisher(num_samples=4, seed=7),
        losses.BinaryCrossentropy(from_logits=True),
        np.zeros((5, 3)),
    )
    uniform = draws(
        lambda outputs, key: tf.random.stateless_uniform(outputs.shape, key)
    )
    share = np.repeat(1 / (1 + np.exp(-LOGITS)), 4, axis=0)
    slope = share - (uniform < share)
    square = (slope**2).reshape(5, 4, 3).mean(axis=1)
    np.testing.assert_allclose(found, square * TANGENT / 15, rtol=1e-12)


@pytest.mark.parametrize(
    ("loss", "matrix", "is_known"),
    [
        (sparse(), "fisher", True),
        ("mse", "fisher", True),
        ("mae", "fisher", False),
        ("mae", "monte-carlo-fisher", True),
        ("poisson", "monte-carlo-fisher", True),
        ("huber", "monte-carlo-fisher", False),
    ],
)
def test_likelihoods(loss, matrix, is_known):
    specification = loss_specification(loss)
    if is_known:
        check_likelihood(specification, matrix)
        return
    with pytest.raises(ValueError, match="Use the Gauss-Newton"):
        check_likelihood(specification, matrix)
