"""Tables of a report: rounded, aligned, in plain text."""

import dataclasses
import math
import re

import numpy as np
import pandas as pd

from keras_sharpness.charts._text import number

_DIGITS = 4
_MOST_DIGITS = 6
_MISSING = "–"
# Also numbers that somebody has formatted: "98.03 ± 0.07", "< 1e-3", "12 %".
_NUMBER = re.compile(
    r"[<>≤≥≈~]?\s*[+\-−]?[\d.,]+(e[+\-−]?\d+)?(\s*±\s*[\d.,]+(e[+\-−]?\d+)?)?\s*%?"
)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        header: List of str.
        rows: List of lists of str.
        numeric: List of bool. Which columns align right.
    """

    header: list[str]
    rows: list[list[str]]
    numeric: list[bool]


def text_table(frame: pd.DataFrame) -> Table:
    """The frame as text; its index too, where it says something."""
    says_something = frame.index.names != [None] or not isinstance(
        frame.index, pd.RangeIndex
    )
    if says_something:
        frame = frame.reset_index(
            names=_index_names(frame), allow_duplicates=True
        )
    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return Table(
        header=[_heading(name) for name in frame.columns],
        rows=[list(row) for row in zip(*columns, strict=True)],
        numeric=[
            all(text == _MISSING or _NUMBER.fullmatch(text) for text in column)
            for column in columns
        ],
    )


def _index_names(frame: pd.DataFrame) -> list[str]:
    return ["" if name is None else str(name) for name in frame.index.names]


def _heading(name: object) -> str:
    return (
        " ".join(filter(None, map(str, name)))
        if isinstance(name, tuple)
        else str(name)
    )


def _column(values: pd.Series) -> list[str]:
    if pd.api.types.is_bool_dtype(values):
        return ["yes" if value else "no" for value in values]
    if pd.api.types.is_float_dtype(values):
        return _floats([float(value) for value in values])
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if value is None or value is pd.NA or value is pd.NaT:
        return _MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}".replace("-", "−")
    if isinstance(value, float | np.floating):
        return _floats([float(value)])[0]
    return str(value)


def _floats(values: list[float]) -> list[str]:
    """One number of decimals for the column, if that serves all values."""
    finite = [abs(value) for value in values if math.isfinite(value)]
    sizes = [size for size in finite if size > 0]
    largest, smallest = max(sizes, default=1.0), min(sizes, default=1.0)
    high, low = (math.floor(math.log10(size)) for size in (largest, smallest))
    # Four digits of the largest and three of the smallest, within reason.
    decimals = max(_DIGITS - 1 - high, _DIGITS - 2 - low)
    decimals = max(0, min(decimals, _MOST_DIGITS - 1 - high))
    # The smallest one must keep two digits.
    if largest >= 1e7 or smallest < 10.0 ** (1 - decimals):
        return [
            _MISSING if math.isnan(value) else number(value, _DIGITS)
            for value in values
        ]
    texts = [f"{value:,.{decimals}f}" for value in finite]
    while decimals and all(text.endswith("0") for text in texts):
        decimals -= 1
        texts = [text[:-1] for text in texts]
    return [
        _MISSING
        if math.isnan(value)
        else number(value)
        if math.isinf(value)
        else f"{value:,.{decimals}f}".replace("-", "−")
        for value in values
    ]
