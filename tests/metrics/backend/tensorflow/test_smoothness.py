"""Kinks, cuts and casts, in graphs that hold one of each kind."""

import keras
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend import smoothness
from keras_sharpness.metrics.loss.stateless import model_at

layers, ops = keras.layers, keras.ops


class Cut(layers.Layer):
    def call(self, x):
        return x + ops.stop_gradient(x)


def network(*parts):
    return keras.Sequential([keras.Input((3,)), *parts])


def found(model, *, wrap=lambda x: x):
    def loss(weights, state, x):
        with model_at(model, weights, state):
            return ops.mean(wrap(model(x, training=False)))

    return smoothness(model, loss, tf.ones((2, 3)))


@pytest.mark.parametrize(
    ("part", "kinks"),
    [
        (layers.Activation("tanh", name="bend"), ()),
        (layers.ReLU(name="bend"), ("bend (Relu)",)),
        (layers.LeakyReLU(name="bend"), ("bend (LeakyRelu)",)),
    ],
)
def test_kinks_are_named_by_their_layer(part, kinks):
    model = network(layers.Dense(2, name="first"), part, layers.Dense(1))
    assert found(model) == (kinks, (), {})


def test_what_does_not_depend_on_the_weights_is_smooth():
    model = network(layers.ReLU(name="input"), layers.Dense(1))
    assert found(model) == ((), (), {})


def test_cuts():
    model = network(layers.Dense(2), Cut(name="wall"), layers.Dense(1))
    assert found(model)[1] == ("wall (StopGradient)",)


def test_the_loss_has_a_name_of_its_own():
    model = network(layers.Dense(1))

    def wrap(x):
        with tf.name_scope("loss"):
            return tf.abs(x)

    assert found(model, wrap=wrap)[0] == ("the loss (Abs)",)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_narrowing_casts(dtype, float64):
    model = network(
        layers.Dense(2), layers.Dense(2, dtype=dtype), layers.Dense(1)
    )
    # Only the way down, not the one up. Keras casts what a layer is given in
    # the name of who gives it.
    assert found(model)[2] == {dtype: (model.name,)}


def test_weights_that_are_cast():
    model = network(layers.Dense(2, dtype="mixed_bfloat16", name="mixed"))
    # Of the layer's weights; its inputs depend on none. The mean, too, goes up
    # to float32 and down again.
    assert found(model)[2] == {"bfloat16": ("mixed", "the loss")}


def test_loops_are_looked_into():
    sequence = keras.Sequential(
        [keras.Input((4, 2)), layers.SimpleRNN(2, "relu", name="loop")]
    )

    def loss(weights, state, x):
        with model_at(sequence, weights, state):
            return ops.mean(sequence(x, training=False))

    kinks, *_ = smoothness(sequence, loss, tf.ones((2, 4, 2)))
    assert any(kink.endswith("(Relu)") for kink in kinks)
