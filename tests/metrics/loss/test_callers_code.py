"""Which models run nothing but Keras' own code."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.loss.callers_code import (
    is_of_keras,
    runs_callers_code,
)

layers, ops = keras.layers, keras.ops


class OwnLayer(layers.Layer):
    def call(self, x):
        return x


class OwnModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)


def own_function(x):
    return 2.0 * x


def sequential(*parts):
    return keras.Sequential([keras.Input((3,)), *parts])


def graph(function):
    inputs = keras.Input((3,))
    return keras.Model(inputs, function(inputs))


def subclass():
    model = OwnModel()
    model(np.ones((1, 3)))
    return model


def weight_as_an_argument():
    dense = layers.Dense(3)
    return graph(lambda x: ops.matmul(dense(x), dense.kernel))


OF_KERAS = {
    "layers": lambda: sequential(
        layers.Dense(2, "tanh", kernel_regularizer="l2"), layers.Dropout(0.5)
    ),
    "nested": lambda: sequential(sequential(layers.Dense(2)), layers.ReLU()),
    "operations": lambda: graph(lambda x: ops.relu(layers.Dense(2)(x) + 1.0)),
    "recurrent": lambda: keras.Sequential(
        [keras.Input((4, 3)), layers.LSTM(2)]
    ),
}
CALLERS = {
    "layer": lambda: sequential(layers.Dense(2), OwnLayer()),
    "nested layer": lambda: sequential(sequential(OwnLayer()), layers.ReLU()),
    "model": subclass,
    "activation": lambda: sequential(layers.Dense(2, own_function)),
    "lambda": lambda: sequential(layers.Lambda(own_function)),
    "regulariser": lambda: sequential(
        layers.Dense(2, kernel_regularizer=own_function)
    ),
    "weight as an argument": weight_as_an_argument,
}


@pytest.mark.parametrize("name", OF_KERAS)
def test_models_of_keras(name):
    assert not runs_callers_code(OF_KERAS[name]())


@pytest.mark.parametrize("name", CALLERS)
def test_models_with_code_of_the_callers(name):
    assert runs_callers_code(CALLERS[name]())


def test_whose_a_function_is():
    assert is_of_keras(keras.activations.relu)
    assert is_of_keras(layers.Dense(1))
    assert not is_of_keras(own_function)
    assert not is_of_keras(OwnLayer)
