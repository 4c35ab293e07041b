"""Weights that are declared, against those that Keras makes."""

import json

import keras
import pytest

from keras_sharpness.saving import UnsafeModelError
from keras_sharpness.saving.declared import check_declared
from keras_sharpness.saving.weights import StoredWeight, StoredWeights
from tests.saving.files import CONFIG, layer, members

layers = keras.layers


def stored(size):
    weight = StoredWeight("a", (size,), "<f4", 0, {}, True)
    return StoredWeights((weight,), ())


def most_declared(config):
    """The largest number of weights that are missed, found by halving."""
    low, high = 0, 1 << 40
    while low < high:
        middle = (low + high) // 2
        try:
            check_declared(config, stored(middle), "a")
            high = middle
        except UnsafeModelError:
            low = middle + 1
    return low


@pytest.mark.parametrize(
    ("shape", "large"),
    [
        ((3000,), layers.Dense(3000)),
        ((5,), layers.Embedding(3_000_000, 2)),
        ((5, 1000), layers.LSTM(1000)),
        ((5, 1000), layers.GRU(1200)),
        ((9, 9, 1000), layers.Conv2D(1000, 3)),
        ((9, 9, 1000), layers.Conv2DTranspose(1000, 3)),
        ((9, 9, 2000), layers.SeparableConv2D(3000, 3)),
        ((9, 9, 1000), layers.Conv2D(9000, (3, 2), groups=10)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_lower_bound_close_to_what_keras_makes(tmp_path, shape, large):
    model = keras.Sequential([keras.Input(shape), large])
    config = keras.saving.serialize_keras_object(model)
    config = json.loads(json.dumps(config))
    # 2²² more than are stored are let through.
    count = most_declared(config) + (1 << 22)
    made = model.count_params()
    assert 0.99 * made < count <= made


def test_what_is_stored_is_let_through(small):
    config = json.loads(members(small)[CONFIG])
    check_declared(config, stored(0), "a")


def test_the_largest_part_is_named():
    dense = layer("keras.layers", "Dense", {"units": 10**9, "name": "wide"})
    config = {"layers": [layer("keras.layers", "Dense", {"units": 3}), dense]}
    message = "declares 1,000,000,003 weights and stores 7; most of them in `wi"
    with pytest.raises(UnsafeModelError, match=message):
        check_declared(config, stored(7), "a")
