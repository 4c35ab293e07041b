"""Draws depend on their key, and follow their distributions."""

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend import (
    draw_categorical,
    draw_normal,
    draw_poisson,
    draw_uniform,
)

NUM = 20_000
SHARES = np.array([0.2, 0.5, 0.3])
# Four standard errors of a mean: one test in 16,000 would fail by chance, and
# as the key is fixed, none does twice.
ERRORS = 4.0


def categorical(key):
    logits = np.tile(np.log(SHARES), (NUM, 1))
    return draw_categorical(tf.constant(logits), key)


def uniform(key):
    return draw_uniform([NUM], key)


def normal(key):
    return draw_normal([NUM], key, stddev=0.5, dtype="float64")


def poisson(key):
    return draw_poisson(tf.fill([NUM], tf.constant(3.0, tf.float64)), key)


DRAWS = {
    # Of the class numbers 0 to 2.
    categorical: (1.1, 0.49),
    uniform: (0.5, 1 / 12),
    normal: (0.0, 0.25),
    poisson: (3.0, 3.0),
}


def key(*numbers):
    return tf.constant(numbers, tf.int64)


@pytest.mark.parametrize("draw", DRAWS)
def test_the_same_key_gives_the_same_bits(draw):
    first = draw(key(3, 7)).numpy()
    assert first.shape == (NUM,)
    np.testing.assert_array_equal(draw(key(3, 7)), first)
    for other in ((4, 7), (3, 8)):
        assert not np.array_equal(draw(key(*other)), first)


@pytest.mark.parametrize("draw", DRAWS)
def test_mean_and_variance(draw):
    mean, variance = DRAWS[draw]
    found = draw(key(0, 1)).numpy().astype(float)
    error = ERRORS * np.sqrt(variance / NUM)
    assert found.mean() == pytest.approx(mean, abs=error)
    # The standard error of a variance, by the fourth moment of the draws.
    fourth = np.mean((found - mean) ** 4)
    error = ERRORS * np.sqrt((fourth - variance**2) / NUM)
    assert found.var() == pytest.approx(variance, abs=error)
