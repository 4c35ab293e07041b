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
        np.array(["a"]),
        np.array([1j]),
        np.array([{}]),
        iter([1, 2]),
        tf.data.Dataset.range(2),
        tf.ragged.constant([[1], [2, 3]]),
    ],
)
def test_what_is_no_array_is_refused(value):
    with pytest.raises(ValueError, match=r"`x` must be an array of numbers.*P"):
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


@pytest.mark.parametrize("value", [2, np.int64(2), np.uint8(2)])
def test_integers(value):
    result = checks.check_integer("epochs", value, minimum=2)
    assert type(result) is int
    assert result == 2


@pytest.mark.parametrize("value", [1, 2.0, "2", None, True, np.True_, [2]])
def test_no_integers(value):
    with pytest.raises(
        ValueError, match=r"`epochs` must be an integer of at least 2.*epochs=2"
    ):
        checks.check_integer("epochs", value, minimum=2)


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5)])
def test_numbers(value):
    assert checks.check_number("min_delta", value, minimum=0.0) == value


@pytest.mark.parametrize("value", [-1, np.nan, np.inf, "1", None, True])
def test_no_numbers(value):
    with pytest.raises(ValueError, match="`min_delta` must be a finite number"):
        checks.check_number("min_delta", value, minimum=0.0)


def test_batch_size():
    assert checks.check_batch_size(5, 5) == 5
    with pytest.raises(
        ValueError, match=r"batch_size=6, samples: 5.*full batch"
    ):
        checks.check_batch_size(6, 5)
