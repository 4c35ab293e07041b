"""Numbers and names in words."""

import pytest

from keras_sharpness.charts._text import heading, number, shorten, span


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (12.34, "12.3"),
        (0.84920, "0.849"),
        (0.0022, "0.0022"),
        (1234567.0, "1,230,000"),
        (2000.0, "2,000"),
        (-0.5, "−0.5"),
        (1e-7, "1e−7"),
        (1.234e-9, "1.23e−9"),
        (9.999, "10"),
        (999.9, "1,000"),
        (3e12, "3e12"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (float("nan"), "not a number"),
    ],
)
def test_number(value, text):
    assert number(value) == text


def test_span():
    assert span([3.0]) == "3"
    assert span([1.0001, 1.0002]) == "1"
    assert span(iter([2.0, 1.0])) == "1 to 2"


def test_shorten_keeps_both_ends():
    assert shorten("small batch") == "small batch"
    short = shorten("a" * 40 + "b" * 40)
    assert len(short) <= 32
    assert short.startswith("aaa")
    assert short.endswith("bbb")


def test_heading_breaks_lines():
    spec = heading("word " * 40, ["Sentence one.", "two " * 60]).to_dict()
    assert len(spec["text"]) > 1
    assert spec["subtitle"][0].startswith("Sentence one. two")
    assert all(len(line) <= 110 for line in spec["subtitle"])
