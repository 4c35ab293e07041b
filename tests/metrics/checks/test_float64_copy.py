"""Copies in float64 of models, losses and data."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.checks.float64_copy import (
    NoFloat64CopyError,
    float64_copy,
    float64_loss,
    float64_objective,
    in_float64,
)

layers = keras.layers
X = np.random.default_rng(0).standard_normal((6, 3)).astype("float32")
Y = np.random.default_rng(1).standard_normal((6, 2)).astype("float32")
# Of the regulariser: the same in float32, to which Keras rounds it.
STRENGTH = 2.0**-7


def network():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, "tanh"),
            layers.BatchNormalization(),
            layers.Dense(2, kernel_regularizer=keras.regularizers.L2(STRENGTH)),
        ]
    )
    model.compile("sgd", "mse")
    return model


def by_hand(model):
    """In NumPy and float64, at the moving statistics of a new model."""
    kernel, bias = map(np.float64, model.layers[0].get_weights())
    last, last_bias = map(np.float64, model.layers[2].get_weights())
    hidden = np.tanh(X @ kernel + bias) / np.sqrt(1 + 1e-3)
    outputs = hidden @ last + last_bias
    penalty = STRENGTH * np.sum(last**2)
    return outputs, np.mean((outputs - Y) ** 2) + penalty


def test_the_copy_is_the_same_function_in_float64():
    model = network()
    twin = float64_copy(model, X)
    assert {v.dtype for v in twin.variables if "seed" not in v.path} == {
        "float64"
    }
    outputs, _ = by_hand(model)
    # Some ten roundings of float64.
    np.testing.assert_allclose(
        twin(X.astype("float64")), outputs, rtol=1e-12, atol=1e-14
    )
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_the_objective_of_the_copy():
    model = network()
    objective = Objective(model, X, Y, batch_size=4)
    found = float64_objective(
        objective, list(objective.batches), objective.weights
    )
    assert found.value() == pytest.approx(by_hand(model)[1], rel=1e-13)


@pytest.mark.parametrize("loss", [keras.losses.MeanSquaredError, None])
def test_losses(loss):
    function = keras.losses.mean_squared_error
    nested = {"a": function if loss is None else loss(), "b": "mse"}
    found = float64_loss(nested)
    assert found["b"] == "mse"
    if loss is None:
        assert found["a"] is function
        return
    assert nested["a"].dtype == "float32"
    value = found["a"](Y.astype("float64"), np.zeros((6, 2)))
    assert keras.backend.standardize_dtype(value.dtype) == "float64"


def test_data():
    found = in_float64({"a": X, "b": np.arange(3), "c": None})
    assert found["a"].dtype == "float64"
    np.testing.assert_array_equal(found["a"], X)
    assert found["b"].dtype == "int64"
    assert found["c"] is None


class Undescribed(keras.Model):
    def __init__(self, function):
        super().__init__()
        self.dense = layers.Dense(1)
        self.function = function

    def call(self, x):
        return self.function(self.dense(x))


def test_what_cannot_be_copied_says_why():
    model = Undescribed(keras.ops.tanh)
    model(X)
    with pytest.raises(NoFloat64CopyError, match="NotImplementedError"):
        float64_copy(model, X)
    assert keras.config.dtype_policy().name == "float32"
