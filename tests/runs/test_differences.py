import pytest

from keras_sharpness.runs.differences import differences


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ({}, {}),
        ({"a": 1, "b": [1, {"c": 2}]}, {"b": [1, {"c": 2}], "a": 1.0}),
        # A later version may have added a setting that is not set.
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 1, "b": None}, {"a": 1}),
    ],
)
def test_same(stored, asked):
    assert differences(stored, asked) == []


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        ({"a": 1}, {"a": 2}, ["a: 1 there, 2 asked for"]),
        ({"a": "x"}, {}, ["a: 'x' there, None asked for"]),
        ({}, {"a": False}, ["a: None there, False asked for"]),
        (
            {"optimizer": {"name": "adam", "rate": 0.1}},
            {"optimizer": {"name": "adam", "rate": 0.2}},
            ["optimizer.rate: 0.1 there, 0.2 asked for"],
        ),
        ({"a": {"b": 1}}, {"a": 1}, ["a: {'b': 1} there, 1 asked for"]),
        (
            {"a": 1, "b": 2, "c": 3},
            {"d": 4, "c": 5, "a": 1},
            [
                "b: 2 there, None asked for",
                "c: 3 there, 5 asked for",
                "d: None there, 4 asked for",
            ],
        ),
    ],
)
def test_each_difference_is_named(stored, asked, expected):
    assert differences(stored, asked) == expected


def test_long_values_are_cut():
    (text,) = differences({"a": list(range(10_000))}, {"a": "x" * 10_000})
    # Two values of at most 80 characters or 10 items, and a few words.
    assert len(text) < 200
