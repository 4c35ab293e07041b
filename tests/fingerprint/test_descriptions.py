"""Trainings are told apart by what they are, not by what things are called."""

import json

import keras
import numpy as np
import pytest

from keras_sharpness.fingerprint import descriptions


def test_arrays():
    x = np.arange(6.0).reshape(2, 3)
    digest = descriptions.digest_arrays
    assert digest({"a": x, "b": None}) == digest({"a": x.copy(), "b": None})
    others = [x, {"b": x}, {"a": x.T}, {"a": x + 1}, {"a": x.astype("f4")}]
    assert len({digest(nest) for nest in [{"a": x}, *others]}) == 6
    assert digest(None) is None


def test_optimizers():
    describe = descriptions.describe_optimizer
    adam = keras.optimizers.Adam
    assert describe(adam(0.1)) == describe(adam(0.1, name="another"))
    assert describe(adam(0.1)) != describe(adam(0.1, beta_1=0.5))
    assert describe(adam()) != describe(keras.optimizers.Nadam())
    # Mixed precision wraps by itself at the second compilation.
    wrapped = keras.optimizers.LossScaleOptimizer(adam(0.1))
    assert describe(wrapped) == describe(adam(0.1))


def squares(y, y_pred, weight=1.0):
    return weight * (y - y_pred) ** 2


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
    description = descriptions.describe_loss(loss)
    assert json.loads(json.dumps(description)) == description


def test_differences_name_the_settings():
    old = {"a": 1, "b": {"c": 2, "d": 3}, "same": [1]}
    new = {"a": 2, "b": {"c": 2, "d": 4}, "same": [1], "e": 5}
    assert descriptions.differences(old, new) == [
        "a: 1, now 2",
        "b.d: 3, now 4",
        "e: None, now 5",
    ]
    assert descriptions.differences(old, old) == []
