"""One line of a check, and names in its sentences."""

import pytest

from keras_sharpness.metrics.checks.row import listed


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a, b"),
        (dict.fromkeys("abc"), "a, b and 1 more"),
        (iter("abcde"), "a, b and 3 more"),
    ],
)
def test_long_lists_are_cut(names, text):
    assert listed(names, most=2) == text
