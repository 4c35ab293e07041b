"""Trainings are told apart by what they are, not by what things are called."""

import json

import keras
import numpy as np
import pytest

from keras_sharpness.training import fingerprint


def network(*, rate=0.5, units=2, seed=1, activation="relu"):
    inner = keras.Sequential(
        [
            keras.layers.Dense(
                units,
                activation,
                kernel_initializer=keras.initializers.HeNormal(seed),
            ),
            keras.layers.Dropout(rate),
        ]
    )
    return keras.Sequential([keras.Input((3,)), inner])


def test_models():
    base = fingerprint.describe_model(network())
    assert base == fingerprint.describe_model(network())
    for change in (
        {"rate": 0.4},
        {"units": 3},
        {"seed": 2},
        {"activation": "tanh"},
    ):
        assert base != fingerprint.describe_model(network(**change))
    frozen = network()
    frozen.layers[0].trainable = False
    assert base != fingerprint.describe_model(frozen)


def test_a_layer_that_cannot_be_described_counts_by_its_weights():
    class Odd(keras.layers.Layer):
        def __init__(self, thing):
            super().__init__()
            self.dense = keras.layers.Dense(thing.units)

        def call(self, x):
            return self.dense(x)

    class Thing:
        def __init__(self, units):
            self.units = units

    def describe(units):
        model = keras.Sequential([keras.Input((3,)), Odd(Thing(units))])
        return fingerprint.describe_model(model)

    assert describe(2) == describe(2)
    assert describe(2) != describe(3)


def test_arrays():
    x = np.arange(6.0).reshape(2, 3)
    digest = fingerprint.digest_arrays
    assert digest({"a": x, "b": None}) == digest({"a": x.copy(), "b": None})
    others = [x, {"b": x}, {"a": x.T}, {"a": x + 1}, {"a": x.astype("f4")}]
    assert len({digest(nest) for nest in [{"a": x}, *others]}) == 6
    assert digest(None) is None


def test_optimizers():
    describe = fingerprint.describe_optimizer
    adam = keras.optimizers.Adam
    assert describe(adam(0.1)) == describe(adam(0.1, name="another"))
    assert describe(adam(0.1)) != describe(adam(0.1, beta_1=0.5))
    assert describe(adam()) != describe(keras.optimizers.Nadam())
    # Mixed precision wraps by itself at the second compilation.
    wrapped = keras.optimizers.LossScaleOptimizer(adam(0.1))
    assert describe(wrapped) == describe(adam(0.1))


def squares(y, y_pred):
    return (y - y_pred) ** 2


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        squares,
        lambda y, y_pred: y,
        keras.losses.Huber(0.5),
        ["mse", squares],
        {"a": "mse", "b": keras.losses.Huber(0.5)},
    ],
)
def test_losses_go_to_json(loss):
    description = fingerprint.describe_loss(loss)
    assert json.loads(json.dumps(description)) == description


def test_differences_name_the_settings():
    old = {"a": 1, "b": {"c": 2, "d": 3}, "same": [1]}
    new = {"a": 2, "b": {"c": 2, "d": 4}, "same": [1], "e": 5}
    assert fingerprint.differences(old, new) == [
        "a: 1, now 2",
        "b.d: 3, now 4",
        "e: None, now 5",
    ]
    assert fingerprint.differences(old, old) == []
