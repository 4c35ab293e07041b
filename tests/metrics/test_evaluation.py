"""The loss over batches, at a point and at a sum of two."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.metrics.points import (
    MovedWeights,
    PackedWeights,
)
from tests.conftest import precision


def network():
    """Variables of 15, 5, 5, 5, 10 and 2 entries: none of them aligned."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(5),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(2),
        ]
    )


@pytest.fixture(scope="module")
def objective():
    """Seven samples in batches of two: an odd number, and a short one."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 3)), np.array([0, 1, 1, 0, 1, 0, 0])
    weight = rng.uniform(0.5, 2.0, 7)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with precision("float64"):
        return ks.Objective(
            network(), x, y, sample_weight=weight, loss=loss, batch_size=2
        )


def test_loss_at_a_sum(objective):
    rng = np.random.default_rng(1)
    start, step = rng.standard_normal((2, objective.size))
    packing = PackedWeights(objective.layout)
    moved = MovedWeights(packing.pack(start), packing.pack(step))
    state = [
        np.full(v.shape, 0.5) for v in objective.model.non_trainable_variables
    ]
    before = objective.evaluate()
    for options in ({}, {"state": state}):
        here = objective.evaluate(start + step, **options)
        found = objective.evaluate(moved, **options)
        assert list(found) == ["loss", "accuracy"]
        # The same float64 operations on the same numbers, summed alike.
        assert found["loss"] == pytest.approx(here["loss"], rel=1e-14)
        assert found["accuracy"] == here["accuracy"]
    assert objective.evaluate() == before
