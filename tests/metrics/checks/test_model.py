"""Rows on a model and its data."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.checks.model import (
    batch_norm_row,
    influence_row,
    samples_row,
)
from keras_sharpness.metrics.checks.smoothness import smoothness

layers, ops = keras.layers, keras.ops
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 3)), RNG.standard_normal((20, 1))


class Wall(layers.Layer):
    def call(self, x):
        return ops.stop_gradient(x)


def objective(*parts, x=X, y=Y, **options):
    model = keras.Sequential([keras.Input((3,)), *parts])
    return Objective(model, x, y, loss="mse", **options)


def influence(found):
    vectors = np.random.default_rng(1).standard_normal((found.size, 2))
    return influence_row(
        found,
        found.weights,
        found.hessian_product(vectors),
        smoothness(found),
        2.0**-52,
    )


def test_all_weights_have_influence(float64):
    row = influence(objective(layers.Dense(2, "tanh"), layers.Dense(1)))
    assert (row.verdict, row.value) == ("ok", 0.0)


def test_inputs_that_are_zero(float64):
    row = influence(objective(layers.Dense(1), x=X * [1.0, 0.0, 1.0]))
    # One of three weights and a bias.
    assert (row.verdict, row.value) == ("ok", 0.25)


def test_weights_behind_a_cut(float64):
    found = objective(
        layers.Dense(2, name="before"), Wall(name="wall"), layers.Dense(1)
    )
    row = influence(found)
    assert row.verdict == "fail"
    assert "before/kernel" in row.explanation
    assert "wall (StopGradient)" in row.explanation


def test_weights_without_influence(float64):
    # Units that are off for all samples.
    off = keras.initializers.Constant(-100.0)
    found = objective(
        layers.Dense(2, "relu", bias_initializer=off, name="off"),
        layers.Dense(1),
    )
    row = influence(found)
    assert row.verdict == "note"
    assert "off/kernel" in row.explanation


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [("inference", "ok"), ("batch", "note"), ("recalibrate", "note")],
)
def test_modes_of_batch_normalisation(mode, verdict):
    found = objective(
        layers.BatchNormalization(), layers.Dense(1), batch_norm=mode
    )
    (row,) = batch_norm_row(found)
    assert row.verdict == verdict
    assert f"1 layers in mode {mode!r}" in row.explanation


def test_without_batch_normalisation_there_is_no_row():
    assert batch_norm_row(objective(layers.Dense(1))) == []


@pytest.mark.parametrize(("count", "verdict"), [(999, "note"), (1000, "ok")])
def test_few_samples(count, verdict):
    x, y = np.ones((count, 3)), np.ones((count, 1))
    row = samples_row(objective(layers.Dense(1), x=x, y=y))
    assert (row.verdict, row.value) == (verdict, float(count))
