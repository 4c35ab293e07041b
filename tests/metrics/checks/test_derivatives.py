"""Rows on gradient, product and precision, of derivatives right and wrong."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.checks.derivatives import derivative_rows
from keras_sharpness.metrics.checks.smoothness import smoothness

layers = keras.layers
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 3)), RNG.standard_normal((40, 1))


def rows(*parts, dtype="float32", factor=1.0, max_samples=40):
    model = keras.Sequential([keras.Input((3,)), *parts])
    objective = Objective(model, X, Y, loss="mse", batch_size=16)
    vectors = np.random.default_rng(1).standard_normal((objective.size, 2))
    products = np.stack(
        [objective.hessian_product(v) for v in vectors.T], axis=1
    )
    found, bend = derivative_rows(
        objective,
        objective.weights,
        vectors,
        factor * products,
        max_samples,
        smoothness(objective),
        dtype,
    )
    return {row.name: row for row in found}, bend


def test_right_ones():
    found, bend = rows(layers.Dense(4, "tanh"), layers.Dense(1))
    assert list(found) == ["gradient", "product", "precision"]
    assert {row.verdict for row in found.values()} == {"ok"}
    # The longest step is good to 1e-10 of third derivatives.
    assert found["product"].value < 1e-8
    assert "on 40 samples" in found["product"].explanation
    assert 0.0 < bend < 0.1


def test_on_some_of_the_samples():
    found, _ = rows(layers.Dense(1), max_samples=10)
    assert "on 10 samples" in found["product"].explanation
    assert found["product"].verdict == "ok"


@pytest.mark.parametrize(
    ("error", "verdict"), [(1e-5, "ok"), (1e-2, "note"), (0.5, "fail")]
)
def test_products_that_are_imprecise(error, verdict, float64):
    found, _ = rows(layers.Dense(1), dtype="float64", factor=1 + error)
    # Beside the product in a copy, which is right.
    assert found["product"].verdict == "ok"
    assert found["precision"].verdict == verdict
    assert found["precision"].value == pytest.approx(error, rel=1e-6)
