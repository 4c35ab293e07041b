"""XLA for what it makes faster: which functions, and the same products."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import (
    HessianOperator,
    Objective,
    curvature_products,
)
from keras_sharpness.metrics.backend.tensorflow import kept_product
from keras_sharpness.metrics.backend.tensorflow.fusion import gains_from_fusion


def gradient_of(model, x, y):
    """The traced gradient of the model's loss."""

    @tf.function
    def gradient(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        return tape.gradient(loss, model.trainable_variables)

    return gradient.get_concrete_function(x, y)


@pytest.mark.parametrize(
    ("layer", "shape", "gains"),
    [
        (lambda: keras.layers.Dense(2, activation="gelu"), (4, 3), True),
        (lambda: keras.layers.MultiHeadAttention(2, 2), (4, 3), True),
        (lambda: keras.layers.LayerNormalization(), (4, 3), True),
        (lambda: keras.layers.Conv1D(2, 2), (4, 3), False),
        (lambda: keras.layers.LSTM(2), (4, 3), False),
        (lambda: keras.layers.Embedding(9, 2), (4,), False),
    ],
    ids=lambda value: "" if callable(value) else None,
)
def test_which_functions_gain(layer, shape, gains):
    inputs = keras.Input(shape)
    made = layer()
    outputs = (
        made(inputs, inputs)
        if isinstance(made, keras.layers.MultiHeadAttention)
        else made(inputs)
    )
    model = keras.Model(inputs, outputs)
    x = tf.ones((2, *shape))
    assert gains_from_fusion(gradient_of(model, x, model(x))) is gains


def attention():
    """A network of one attention layer, and its data."""
    inputs = keras.Input((4, 3))
    hidden = keras.layers.Dense(3)(inputs)
    hidden = keras.layers.Attention()([hidden, hidden])
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(hidden))
    model = keras.Model(inputs, outputs)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    rng = np.random.default_rng(0)
    return model, rng.standard_normal((10, 4, 3)), rng.integers(0, 3, 10)


def test_products_are_the_same(monkeypatch, float64):
    keras.utils.set_random_seed(0)
    data = attention()
    options = {"batch_size": 5, "keep_activations": False}
    plain = Objective(*data, **options)
    v = np.random.default_rng(0).standard_normal(plain.size)
    expected = HessianOperator(plain) @ v
    monkeypatch.setattr(curvature_products, "is_worthwhile", lambda *_: True)
    monkeypatch.setattr(kept_product, "_COSTLY", 0.0)
    fused = Objective(*data, **options)
    actual = HessianOperator(fused) @ v
    # Or the two would be the same by construction.
    for products, is_fused in ((fused, True), (plain, False)):
        (product,) = products._products._products.values()
        assert product._is_fused == is_fused
    # Rounding of float64 in some thousand operations.
    np.testing.assert_allclose(
        actual, expected, atol=1e-11 * np.linalg.norm(expected), rtol=0
    )
