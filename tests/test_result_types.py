"""Which values of a file are of the type that a field declares."""

import dataclasses
from typing import Any, Literal

import numpy as np
import pytest

from keras_sharpness.result_types import declared, lengths_agree, typed

FITS = [
    (1.5, float),
    (None, float | None),
    (3, int),
    (True, bool),
    ("a", Literal["a", "b"]),
    ((1, 2), tuple[int, int]),
    ((1, 2, 3), tuple[int, ...]),
    ((), tuple[int, ...]),
    ({"a": (0, 4)}, dict[str, tuple[int, int]]),
    (np.zeros(3), np.ndarray),
    (object, Any),
]
MISFITS = [
    ("1.5", float),
    (None, float),
    (1.5, int),
    # JSON's whole numbers may have any length; NumPy's have 64 bits.
    (2**63, int),
    (True, int),
    (True, float),
    (1, bool),
    ("c", Literal["a", "b"]),
    ((1, 2, 3), tuple[int, int]),
    ((1, "2"), tuple[int, ...]),
    ({"a": (0, 4.5)}, dict[str, tuple[int, int]]),
    ((1, 2), dict[str, int]),
    ((1.0, 2.0), np.ndarray),
    (np.array([{}], dtype=object), np.ndarray),
]


@pytest.mark.parametrize(("value", "hint"), FITS)
def test_what_fits_stays_as_it_is(value, hint):
    assert typed("field", value, hint) is value


@pytest.mark.parametrize(("value", "hint"), MISFITS)
def test_what_does_not_fit_is_named(value, hint):
    with pytest.raises(ValueError, match=r"^field 'field' holds "):
        typed("field", value, hint)


def test_whole_numbers_become_floats_where_these_are_declared():
    found = typed("field", 3, float)
    assert (found, type(found)) == (3.0, float)


def test_settings_of_an_objective_are_such():
    settings = {"loss": "mse", "num_samples": 3, "batch_norm": "inference"}
    for good in (settings, {}):
        assert typed("objective", good, dict[str, Any]) is good
        typed("objectives", {"a": good}, dict[str, Any])
    bad = {**settings, "num_samples": "3"}
    for name, value in (("objective", bad), ("objectives", {"a": bad})):
        with pytest.raises(ValueError, match=f"field '{name}' holds"):
            typed(name, value, dict[str, Any])
    # Only fields of that name are.
    assert typed("settings", bad, dict[str, Any]) is bad


def test_long_values_are_cut_in_errors():
    with pytest.raises(ValueError, match="holds") as caught:
        typed("field", "x" * 500, float)
    assert str(caught.value) == f"field 'field' holds '{'x' * 59}…, no float"


def test_types_of_fields():
    @dataclasses.dataclass
    class Known:
        a: int
        b: "float | None"

    @dataclasses.dataclass
    class Unknown:
        a: "NameForTypeCheckersOnly"  # noqa: F821

    assert declared(Known) == {"a": int, "b": float | None}
    assert declared(Unknown) == {}


def test_lengths_agree():
    lengths_agree(a=np.zeros(3), b=(1, 2, 3), c={"d": [1, 2, 3]}, e=None)
    for odd in (np.zeros(2), {"d": [1, 2, 3], "e": [1]}, 3.0):
        with pytest.raises(ValueError, match="fields of several lengths"):
            lengths_agree(a=np.zeros(3), b=odd)
