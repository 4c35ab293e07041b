"""A point of weight space that is held."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.backend.tensorflow.held_weights import HeldWeights
from keras_sharpness.metrics.weights import WeightLayout


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def test_they_are_the_weights(model):
    layout = WeightLayout(model)
    held = HeldWeights(layout)
    assert np.array_equal(held.read(), layout.read())
    for tensor, variable in zip(
        held.tensors, model.trainable_variables, strict=True
    ):
        assert np.array_equal(tensor, variable)


def test_training_does_not_move_them(model):
    held = HeldWeights(WeightLayout(model))
    before = held.read()
    x, y = np.ones((4, 3)), np.zeros((4, 2))
    for optimizer in ("sgd", "adam"):
        model.compile(optimizer, loss="mse")
        model.fit(x, y, epochs=2, verbose=0)
    assert not np.array_equal(WeightLayout(model).read(), before)
    assert np.array_equal(held.read(), before)


def test_a_point_is_rounded_as_the_variables(model):
    layout = WeightLayout(model)
    w = np.random.default_rng(0).standard_normal(layout.size)
    held = HeldWeights(layout, w)
    assert np.array_equal(held.read(), w.astype(np.float32).astype(np.float64))


def test_a_point_that_changes_later(model):
    layout = WeightLayout(model)
    w = np.zeros(layout.size)
    held = HeldWeights(layout, w)
    w += 1.0
    assert not held.read().any()


@pytest.mark.parametrize(
    ("w", "message"),
    [(np.ones(3), r"shape \(3,\)"), (np.full(8, np.nan), "8 of 8 entries")],
)
def test_what_is_no_point_is_refused(model, w, message):
    with pytest.raises(ValueError, match=message):
        HeldWeights(WeightLayout(model), w)
