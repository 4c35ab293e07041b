"""BatchNormalization by the statistics of a batch, against NumPy."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics.loss.batch_norm import (
    batch_norm_layers,
    batch_statistics,
    check_mode,
)

layers = keras.layers


def network(**options):
    inner = keras.Sequential(
        [keras.Input((3,)), layers.BatchNormalization(name="norm", **options)]
    )
    return keras.Sequential(
        [keras.Input((3,)), inner, layers.Dropout(0.5, name="dropout")]
    )


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(2.0, 3.0, (20, 3))


def test_layers_inside_of_models_are_found():
    (layer,) = batch_norm_layers(network())
    assert layer.name == "norm"


def test_statistics_are_those_of_the_batch_and_nothing_else_trains(x, float64):
    model = network()
    before = model(x)
    with batch_statistics(model), keras.StatelessScope():
        found = model(x, training=False)
    # With the layer's epsilon; no dropout. Some ten roundings.
    expected = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(model(x), before)


def test_frozen_layers_keep_their_statistics(x, float64):
    model = network()
    batch_norm_layers(model)[0].trainable = False
    with batch_statistics(model), keras.StatelessScope():
        np.testing.assert_array_equal(model(x, training=False), model(x))


def test_an_exception_puts_the_layer_back(x, float64):
    model = network()
    before = model(x)
    with pytest.raises(KeyError), batch_statistics(model):
        raise KeyError
    assert "call" not in vars(batch_norm_layers(model)[0])
    np.testing.assert_array_equal(model(x), before)


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("training", {}, "batch_norm"),
        ("recalibrate", {"momentum": 1.0}, "momentum 1"),
        ("batch", {"renorm": True}, "batch renormalization"),
    ],
)
def test_what_cannot_be_applied_is_refused(mode, options, message):
    with pytest.raises(ValueError, match=message):
        check_mode(mode, network(**options))


@pytest.mark.parametrize("mode", ["inference", "batch", "recalibrate"])
def test_modes_are_returned(mode):
    assert check_mode(mode, network()) == mode
    # Where the moving statistics stay, so does what moves them.
    assert check_mode("inference", network(momentum=1.0)) == "inference"
