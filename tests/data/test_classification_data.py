"""The checks of a data set, and smaller choices from it."""

import dataclasses

import numpy as np
import pytest

from keras_sharpness.data import ClassificationData


def arrays(num_train=12, num_test=6):
    """Valid fields: sample i holds i, its label is i modulo 3."""
    return {
        "name": "counted",
        "x_train": np.arange(2.0 * num_train).reshape(num_train, 2),
        "y_train": np.arange(num_train) % 3,
        "x_test": np.arange(2.0 * num_test).reshape(num_test, 2),
        "y_test": np.arange(num_test) % 3,
        "num_classes": 3,
        "source": "made here",
    }


def test_valid_data_keep_their_arrays():
    fields = arrays()
    data = ClassificationData(**fields, class_names=("a", "b", "c"))

    assert data.x_train is fields["x_train"]
    assert data.input_shape == (2,)
    assert data.licence is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "other"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "x_train",
            np.zeros((12, 2), "u1"),
            "must be floats.*uint8",
        ),
        ("x_train", np.zeros((12, 2), int), "floats or whole numbers.*int64"),
        ("x_train", np.zeros(12), r"`x_train`.*\(12,\)"),
        ("x_train", np.zeros((0, 2)), r"`x_train`.*\(0, 2\)"),
        ("x_test", np.zeros((6, 0)), r"`x_test`.*\(6, 0\)"),
        ("x_test", np.zeros((6, 3)), r"one shape.*\(12, 2\).*\(6, 3\)"),
        ("y_train", np.zeros(11, int), r"each of the 12.*\(11,\)"),
        ("y_test", np.zeros(7, int), r"each of the 6.*\(7,\)"),
        ("y_train", np.zeros(12), "`y_train`.*integer labels.*float64"),
        ("y_train", np.full(12, 3), "from 0 to 2. Received.*from 3 to 3"),
        ("y_test", np.full(6, -1), "from 0 to 2. Received.*from -1 to -1"),
        ("num_classes", 1, "`num_classes` must be an integer of at least 2"),
        ("class_names", ("a", "b"), "2 names of 3 classes"),
    ],
)
def test_invalid_fields_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        ClassificationData(**arrays() | {field: value})
