"""Samples with targets of any kind, and smaller choices from them."""

import numpy as np
import pytest

from keras_sharpness.data import SampleData


def arrays(num_train=12, num_test=6):
    """Valid fields: sample i holds i, its label is i modulo 3."""
    return {
        "name": "counted",
        "x_train": np.arange(2.0 * num_train).reshape(num_train, 2),
        "y_train": np.arange(num_train) % 3,
        "x_test": np.arange(2.0 * num_test).reshape(num_test, 2),
        "y_test": np.arange(num_test) % 3,
        "source": "made here",
    }


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_found(bad):
    fields = arrays()
    fields["x_train"][[4, 7], 1] = bad

    with pytest.raises(ValueError, match=r"2 NaN or inf.*first in sample 4\."):
        SampleData(**fields)


def test_take_the_first():
    data = SampleData(**arrays()).take(5, 2)

    np.testing.assert_array_equal(data.x_train[:, 0], [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(data.y_train, [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(data.x_test[:, 0], [0, 2])
    assert type(data) is SampleData


def test_take_nothing_less_keeps_everything_in_order():
    data = SampleData(**arrays())

    same = data.take(seed=1)

    np.testing.assert_array_equal(same.x_train, data.x_train)
    np.testing.assert_array_equal(same.y_test, data.y_test)


def test_take_at_random_keeps_pairs_and_repeats_with_the_seed():
    data = SampleData(**arrays(300, 200))

    chosen = data.take(100, 50, seed=3)
    first = chosen.x_train[:, 0] // 2  # the number of the sample

    assert len(set(first)) == 100
    assert set(first) != set(range(100))
    np.testing.assert_array_equal(chosen.y_train, first % 3)
    np.testing.assert_array_equal(chosen.y_test, chosen.x_test[:, 0] // 2 % 3)
    np.testing.assert_array_equal(
        chosen.x_train, data.take(100, 7, seed=3).x_train
    )
    np.testing.assert_array_equal(
        chosen.x_train[:40], data.take(40, seed=3).x_train
    )
    other = data.take(100, seed=4).x_train
    assert not np.array_equal(chosen.x_train, other)
    # Two splits of one length must not be chosen alike.
    twins = SampleData(**arrays(50, 50)).take(20, 20, seed=3)
    assert not np.array_equal(twins.x_train, twins.x_test)


@pytest.mark.parametrize("number", [0, -1, 13])
def test_take_more_than_there_is(number):
    data = SampleData(**arrays())

    with pytest.raises(ValueError, match=rf"from 1 to 12.*num_train={number}"):
        data.take(number)
    with pytest.raises(ValueError, match="`num_test` must be an integer"):
        data.take(2, 7, seed=0)


@pytest.mark.parametrize(
    "shape", [(), (3,), (2, 2)], ids=["numbers", "rows", "fields"]
)
def test_targets_of_any_shape(shape):
    fields = arrays()
    for name in ("y_train", "y_test"):
        count = len(fields[name])
        size = int(np.prod((count, *shape)))
        fields[name] = np.linspace(-1, 1, size).reshape(count, *shape)
    data = SampleData(**fields)
    assert data.y_train is fields["y_train"]
    np.testing.assert_array_equal(data.take(4).y_train, fields["y_train"][:4])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("y_train", np.zeros(11), r"each of the 12.*\(11,\)"),
        ("y_test", np.zeros((6, 2)), r"one shape.*\(12,\).*\(6, 2\)"),
        ("y_test", np.full(6, np.nan), "`y_test`.*6 NaN or infinite"),
        ("y_train", np.array(["a"] * 12), "must be numbers.*U1"),
        ("x_train", np.zeros((12, 2), int), "floats or whole numbers.*int64"),
        ("source", "", "`source`"),
    ],
)
def test_invalid_fields_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        SampleData(**arrays() | {field: value})
