"""What is found of the numbers that a file holds."""

import keras
import numpy as np
import pytest

from keras_sharpness.saving import (
    inspect_model,
)
from tests.saving.files import (
    with_weights,
)


def test_weights_that_are_not_finite(small, tmp_path):
    def change(file):
        file["layers/conv2d/vars/0"][0, 0, 0, 1] = np.nan
        file["layers/dense/vars/1"][2] = -np.inf

    path = with_weights(small, tmp_path / "a.keras", change)
    places = ("layers/conv2d/vars/0", "layers/dense/vars/1")
    assert inspect_model(path).non_finite == places


@pytest.mark.parametrize("value", [1.0, np.nan, np.inf])
def test_weights_in_bfloat16(tmp_path, value):
    dense = keras.layers.Dense(
        2, dtype="bfloat16", bias_initializer=keras.initializers.Constant(value)
    )
    keras.Sequential([keras.Input((3,)), dense]).save(tmp_path / "a.keras")
    model = inspect_model(tmp_path / "a.keras")
    assert model.parameters == 8
    bad = () if value == 1.0 else ("layers/dense/vars/1",)
    assert model.non_finite == bad
