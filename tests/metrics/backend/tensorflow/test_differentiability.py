"""Layers without a second derivative are named."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.backend.tensorflow.differentiability import (
    UndifferentiableError,
)


class ResponseNormalization(layers.Layer):
    """TensorFlow's LRN has a gradient, which has none."""

    def call(self, x):
        return tf.nn.local_response_normalization(x)


class Quantized(layers.Layer):
    """Its gradient's derivative is registered as zero."""

    def call(self, x):
        return tf.quantization.fake_quant_with_min_max_vars(x, -6.0, 6.0)


class IncompleteGammaCell(layers.SimpleRNNCell):
    """An operation without second derivative inside a loop."""

    def call(self, inputs, states, training=False):
        output, _ = super().call(inputs, states)
        output = tf.math.igamma(tf.exp(output), tf.ones_like(output))
        return output, [output]


class Block(layers.Layer):
    """A layer of layers, of which one is guilty."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.before = layers.Conv2D(2, 3, name="before")
        self.culprit = ResponseNormalization(name="culprit")

    def call(self, x):
        return self.culprit(self.before(x))


class OwnCode(keras.Model):
    """The operation stands in the model itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Conv2D(2, 3)

    def call(self, x):
        return tf.nn.local_response_normalization(self.first(x))


def objective_of(model, shape, outputs, loss="mse"):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((3, *shape)).astype("float32")
    model(x)
    return Objective(
        model, x, generator.standard_normal((3, *outputs)), loss=loss
    )


def guilty(objective):
    """The gradient is there; the product names these layers."""
    assert np.linalg.norm(objective.gradient()) > 0
    with pytest.raises(UndifferentiableError) as caught:
        objective.hessian_product(np.ones(objective.size))
    assert all(repr(name) in str(caught.value) for name in caught.value.layers)
    return caught.value


def test_a_layer_is_named():
    # Two calls of the same name: TensorFlow's names alone would not do.
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(2, 3, name="layer"),
            ResponseNormalization(name="layer_1"),
        ]
    )
    error = guilty(objective_of(model, (4, 4, 1), (2, 2, 2)))
    assert error.layers == ("layer_1",)
    assert error.operation == "LRNGrad"
    assert "call" not in vars(model.layers[-1])


def test_the_innermost_layer_is_named():
    model = keras.Sequential([keras.Input((4, 4, 1)), Block(name="block")])
    error = guilty(objective_of(model, (4, 4, 1), (2, 2, 2)))
    assert error.layers == ("culprit",)


def test_a_model_with_code_of_its_own_is_named():
    error = guilty(objective_of(OwnCode(name="own"), (4, 4, 1), (2, 2, 2)))
    assert error.layers == ("own",)


def test_a_layer_inside_a_loop_is_named():
    cell = IncompleteGammaCell(2, name="gamma")
    model = keras.Sequential([keras.Input((3, 2)), layers.RNN(cell)])
    error = guilty(objective_of(model, (3, 2), (2,)))
    assert error.layers == ("gamma",)


def test_a_derivative_registered_as_zero_is_an_error():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(2),
            Quantized(name="quantized"),
            layers.Dense(2),
        ]
    )
    error = guilty(objective_of(model, (4,), (2,)))
    assert error.layers == ("quantized",)


def test_a_loss_is_named():
    model = keras.Sequential([keras.Input((6, 2)), layers.Conv1D(4, 2)])
    x = np.random.default_rng(0).standard_normal((3, 6, 2)).astype("float32")
    labels = np.array([[1, 2], [2, 3], [1, 1]])
    error = guilty(Objective(model, x, labels, loss=keras.losses.CTC()))
    assert error.layers == ()
    assert str(error).startswith("The loss")


class Fails(layers.Layer):
    """A key error of the caller's own, when it is told to."""

    fail = False

    def call(self, x):
        return {"present": x}["absent" if Fails.fail else "present"]


def test_other_look_ups_are_not_touched(monkeypatch):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2), Fails()])
    objective = objective_of(model, (2,), (2,))
    monkeypatch.setattr(Fails, "fail", True)
    with pytest.raises(KeyError, match="absent"):
        objective.hessian_product(np.ones(objective.size))
