"""What of an objective is not smooth, and the row that says so."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.checks.smoothness import (
    Smoothness,
    smoothness,
    smoothness_row,
)

layers = keras.layers
SMOOTH = Smoothness((), (), {})
KINKED = Smoothness(("first (Relu)",), (), {})


def test_layers_and_loss_are_looked_at(float64):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(2, "relu", name="first"),
            layers.Dense(1, dtype="float32"),
        ]
    )
    x, y = np.ones((4, 3)), np.zeros((4, 1))
    found = smoothness(Objective(model, x, y, loss="mae"))
    assert found.kinks == ("first (Relu)", "the loss (Abs)")
    assert found.cuts == ()
    assert found.narrowed == {"float32": (model.name,)}


@pytest.mark.parametrize(
    ("smooth", "bend", "verdict", "words"),
    [
        (SMOOTH, 0.01, "ok", "No kinks. Over 0.1 %"),
        (SMOOTH, 0.2, "note", "changes within a short step"),
        (SMOOTH, np.nan, "note", "linear in the weights"),
        (KINKED, 0.01, "note", "Kinks in first (Relu)"),
    ],
)
def test_the_row(smooth, bend, verdict, words):
    row = smoothness_row(smooth, bend)
    assert row.verdict == verdict
    assert words in row.explanation
    assert row.value == (None if np.isnan(bend) else bend)
