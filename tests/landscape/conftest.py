"""Objectives that the tests of the landscape share."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from tests.conftest import precision


class Counting(ks.Objective):
    """Counts how often it is evaluated."""

    count = 0

    def evaluate(self, *arguments, **options):
        self.count += 1
        return super().evaluate(*arguments, **options)


@pytest.fixture(scope="module")
def quadratic():
    """(objective, X, y): f(w) = ‖Xw − y‖² ∕ N of a linear model in float64."""
    with precision("float64"):
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((12, 6)), rng.standard_normal((12, 1))
        model = keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(1, use_bias=False)]
        )
        objective = Counting(model, x, y, loss="mse")
    return objective, x, y[:, 0]


@pytest.fixture(scope="module")
def classifier():
    """A ReLU network with normalisation in float32, and its objectives."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((48, 5)).astype("float32")
    labels = (x[:, 0] * x[:, 1] > 0).astype(int) + (x[:, 2] > 1)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, name="hidden"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(3, name="output"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return {
        "train": Counting(model, x[:32], labels[:32], loss=loss),
        "test": Counting(model, x[32:], labels[32:], loss=loss),
    }
