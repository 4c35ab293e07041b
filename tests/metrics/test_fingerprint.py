"""Stored values are tied to all that f depends on."""

import json

import keras
import numpy as np
import pytest

from keras_sharpness import Objective
from keras_sharpness.fingerprint.descriptions import differences
from keras_sharpness.metrics.fingerprint import describe_objective

X = np.random.default_rng(0).standard_normal((12, 3)).astype("float32")
Y = X[:, :1] * X[:, 1:2]


def network(*, batch_norm=False, outputs=1, weights=None):
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((3,))
    if batch_norm:
        x = keras.layers.BatchNormalization()(x)
    heads = [keras.layers.Dense(1)(x) for _ in range(outputs)]
    model = keras.Model(inputs, heads if outputs > 1 else heads[0])
    loss = ["mse"] * outputs if outputs > 1 else "mse"
    model.compile("sgd", loss, loss_weights=weights)
    return model


def squares(model, batch):
    return keras.ops.mean((model(batch[0]) - batch[1]) ** 2)


def fourth_powers(model, batch):
    return keras.ops.mean((model(batch[0]) - batch[1]) ** 4)


def recalibrated(calibrated_on):
    model = network(batch_norm=True)
    options = {"batch_norm": "recalibrate"}
    source = Objective(model, calibrated_on, Y, **options)
    return Objective(model, X, Y, calibration=source, **options)


def weighted(weights):
    model = network(outputs=2, weights=weights)
    return Objective(model, X, [Y, Y])


@pytest.mark.parametrize(
    ("make", "one", "other"),
    [
        (
            lambda f: Objective(network(), X, Y, loss_fn=f),
            squares,
            fourth_powers,
        ),
        (recalibrated, X, X + 1),
        (weighted, [1.0, 2.0], [1.0, 3.0]),
        (lambda w: Objective(network(), X, Y, sample_weight=w), Y[:, 0], None),
        (lambda y: Objective(network(), X, y), Y, Y + 1),
    ],
)
def test_what_f_depends_on(make, one, other):
    def described(value):
        return json.loads(json.dumps(describe_objective(make(value))))

    assert differences(described(one), described(one)) == []
    assert differences(described(one), described(other)) != []
