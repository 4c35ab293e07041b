"""The precision that a loss is computed in."""

import keras
import ml_dtypes
import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.checks.precision import epsilon, lowest, precision

X, Y = np.ones((3, 2)), np.ones((3, 1))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_epsilon(dtype):
    assert epsilon(dtype) == float(ml_dtypes.finfo(dtype).eps)


def test_the_lowest_of_some():
    assert lowest(["float64", "int32", "float32"]) == "float32"
    # Fewer digits, if more exponents.
    assert lowest(["float16", "bfloat16"]) == "bfloat16"


@pytest.mark.parametrize(
    ("policies", "loss", "narrowed", "expected"),
    [
        (["float64", "float64"], "mse", [], "float64"),
        (["float64", "mixed_float16"], "mse", [], "float16"),
        (["float64", "float64"], "mse", ["float32"], "float32"),
        (
            ["float64", "float64"],
            keras.losses.MeanSquaredError(dtype="float32"),
            [],
            "float32",
        ),
    ],
)
def test_layers_loss_and_casts_count(
    policies, loss, narrowed, expected, float64
):
    model = keras.Sequential(
        [
            keras.Input((2,)),
            *[keras.layers.Dense(1, dtype=policy) for policy in policies],
        ]
    )
    objective = Objective(model, X, Y, loss=loss)
    assert precision(objective, narrowed) == expected


def test_the_compiled_loss_counts_by_its_dtype(float64):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    keras.config.set_floatx("float32")
    model.compile("sgd", "mse")
    assert precision(Objective(model, X, Y), []) == "float32"
