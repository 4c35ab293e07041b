"""Checks of arrays and numbers, one accepted and one refused at a time."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from keras_sharpness.training import checks


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        np.array([1, 2, 3], "uint8"),
        tf.constant([1, 2, 3]),
        pd.Series([1, 2, 3]),
    ],
)
def test_whole_numbers_keep_their_dtype(value):
    array = checks.as_arrays("y", value)
    assert type(array) is np.ndarray
    assert array.dtype.kind in "iu"
    np.testing.assert_array_equal(array, [1, 2, 3])


def test_floats_are_cast_and_nests_keep_their_structure():
    nest = {"a": np.ones(2), "b": (np.ones(3, "float16"), np.ones(1, bool))}
    arrays = checks.as_arrays("x", nest, float_dtype="float32")
    assert arrays["a"].dtype == arrays["b"][0].dtype == "float32"
    assert arrays["b"][1].dtype == bool
    assert checks.as_arrays("x", None) is None


@pytest.mark.parametrize(
    "value",
    [
        "text",
        3.0,
        [[1, 2], [3]],
        {},
        np.array(["a", 1], object),
        np.array([1j]),
        np.array([{}]),
        iter([1, 2]),
        tf.data.Dataset.range(2),
        tf.ragged.constant([[1], [2, 3]]),
    ],
)
def test_what_is_no_array_is_refused(value):
    with pytest.raises(
        ValueError, match=r"`x` must be (an array of numbers|real).*P"
    ):
        checks.as_arrays("x", value)


def test_lengths():
    x = {"a": np.ones((3, 2)), "b": [np.ones(3)]}
    assert checks.check_lengths(x=x, y=np.ones(3), sample_weight=None) == 3
    with pytest.raises(
        ValueError, match=r"x\['a'\]: 3, x\['b'\]\[0\]: 3, y: 2"
    ):
        checks.check_lengths(x=x, y=np.ones(2))
    with pytest.raises(ValueError, match=r"Received: x: 0, y: 0\."):
        checks.check_lengths(x=np.ones((0, 2)), y=np.ones(0))
    with pytest.raises(ValueError, match="`y` must have one entry per sample"):
        checks.check_lengths(x=x, y=np.array(1.0))
    with pytest.raises(ValueError, match="no data"):
        checks.check_lengths(x=None)


def test_finite():
    checks.check_finite("x", [np.ones(2), np.arange(2)], remedy="")
    checks.check_finite("x", None, remedy="")
    bad = {"image": np.array([1.0, np.nan, np.inf])}
    with pytest.raises(
        ValueError, match=r"`x\['image'\]`.*2 of 3 entries.*Mend it\."
    ):
        checks.check_finite("x", bad, remedy="Mend it.")
