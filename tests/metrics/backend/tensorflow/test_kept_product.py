"""A product whose first part is kept, against the whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend import EvaluationPoint, KeptProduct
from keras_sharpness.metrics.backend.tensorflow import kept_product

SIZE = 4


@pytest.fixture
def product():
    weights = keras.Variable(np.linspace(0.1, 0.4, SIZE), dtype="float64")

    def multiply(weights, state, vector, data, scale):
        """diag(scale · tanh(X w)) X v: linear in v."""
        del state
        slope = tf.tanh(tf.linalg.matvec(data, weights[0]))
        return [scale * slope * tf.linalg.matvec(data, vector[0])]

    return KeptProduct(EvaluationPoint([weights], []), "key", multiply)


@pytest.fixture
def others():
    data = np.random.default_rng(0).standard_normal((3, SIZE))
    return tf.constant(data), tf.constant(2.0, tf.float64)


def expected(others, v):
    data, scale = (np.asarray(other) for other in others)
    return scale * np.tanh(data @ np.linspace(0.1, 0.4, SIZE)) * (data @ v)


def vectors(count):
    drawn = np.random.default_rng(1).standard_normal((count, SIZE))
    return [[tf.constant(vector)] for vector in drawn]


def test_once_and_from_what_is_kept(product, others):
    several = vectors(3)
    kept = product.keep(several[0], others, batch_size=3, room=1e6)
    for vector, (found,) in zip(several, kept.block(several), strict=True):
        (once,) = product.once(vector, others)
        # A few float64 operations on numbers near 1.
        wanted = expected(others, vector[0].numpy())
        np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(once, wanted, rtol=1e-13, atol=1e-13)


def test_what_takes_too_much_is_not_kept(product, others):
    (vector,) = vectors(1)
    # Three float64 slopes; data and scale are there anyhow.
    assert product.keep(vector, others, batch_size=3, room=23) is None
    kept = product.keep(vector, others, batch_size=3, room=24)
    assert kept.num_bytes == 24


def test_large_products_are_costly(product, others, monkeypatch):
    (vector,) = vectors(1)
    options = {"batch_size": 3, "without": [(SIZE,)]}
    assert product.is_costly is None
    product.plan(vector, others, num_samples=3, **options)
    assert product.is_costly is False
    product.plan(vector, others, num_samples=10**7, **options)
    assert product.is_costly is True
    monkeypatch.setattr(kept_product, "_COSTLY", 0.0)
    product.plan(vector, others, num_samples=3, **options)
    # XLA compiles what it makes faster: matrix products and tanh.
    (once,) = product.once(vector, others)
    np.testing.assert_allclose(
        once, expected(others, vector[0].numpy()), rtol=1e-13, atol=1e-13
    )
