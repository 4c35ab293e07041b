"""Points of weight space: held, packed into one tensor, moved."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.points import (
    HeldWeights,
    PackedWeights,
)
from keras_sharpness.metrics.weights import WeightLayout
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


@pytest.mark.parametrize(
    ("dtype", "packed"),
    [("float64", "float64"), ("float32", "float32"), ("float16", "float32")],
)
def test_unpacked_is_what_was_packed(dtype, packed):
    with precision(dtype):
        model = network()
    packing = PackedWeights(WeightLayout(model))
    tensor = packing.pack(WeightLayout(model).read())
    assert tensor.dtype == packed
    assert packing.num_bytes == tensor.shape[0] * tensor.dtype.size
    for variable, part in zip(
        model.trainable_variables, packing.unpack(tensor), strict=True
    ):
        assert part.dtype == variable.dtype
        np.testing.assert_array_equal(part, variable.numpy())


def test_one_variable_is_unpacked_too():
    """It leaves no place at which to cut."""
    layer = keras.layers.Dense(5, use_bias=False)
    model = keras.Sequential([keras.Input((3,)), layer])
    packing = PackedWeights(WeightLayout(model))
    (part,) = packing.unpack(packing.pack(np.arange(15.0)))
    np.testing.assert_array_equal(part, np.arange(15.0).reshape(3, 5))


def test_every_part_begins_at_an_aligned_place():
    """Otherwise TensorFlow copies it: in float32, 16 entries are 64 bytes."""
    packing = PackedWeights(WeightLayout(network()))
    filled = packing.pack(np.ones(WeightLayout(network()).size)).numpy()
    begins = np.flatnonzero(np.diff(filled, prepend=0.0) == 1.0)
    assert begins.tolist() == [0, 16, 32, 48, 64, 80]


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
