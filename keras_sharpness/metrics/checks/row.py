"""One line of a check: what was looked at, and the verdict."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Verdict = Literal["ok", "note", "fail"]


class CheckRow(NamedTuple):
    """One line of a `Check`.

    Attributes:
        name: Str. What was checked.
        verdict: Str. `"ok"`; `"note"`: true, but to be known when the numbers
            are read; `"fail"`: the numbers cannot be believed.
        value: Float, what was measured, or None.
        limit: Float, up to which the value is good, or None.
        explanation: Str. What it means, and what to do.
    """

    name: str
    verdict: Verdict
    value: float | None
    limit: float | None
    explanation: str


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in a sentence, the first few of many."""
    names = list(names)
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
