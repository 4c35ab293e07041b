"""Numbers and names as charts and reports print them."""

import math
import textwrap
from collections.abc import Iterable

import altair as alt

_LONGEST_NAME = 32
# Characters of a subtitle that a chart of 560 pixels has room for.
_SUBTITLE_WIDTH = 104
_TITLE_WIDTH = 64


def number(value: float, digits: int = 3) -> str:
    """`value` rounded to `digits` significant ones, as people write it."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if not -4 <= exponent <= 6:
        mantissa, power = f"{rounded:.{digits - 1}e}".split("e")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}e{int(power)}".replace("-", "−")
    decimals = max(0, digits - 1 - exponent)
    text = f"{rounded:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−")


def span(values: Iterable[float]) -> str:
    """One number, or the smallest and the largest of several."""
    values = list(values)
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def shorten(name: str, longest: int = _LONGEST_NAME) -> str:
    """`name`, cut in the middle where it is long."""
    if len(name) <= longest:
        return name
    half = max(1, (longest - 1) // 2)
    return f"{name[:half]}…{name[-half:]}"


def loss_title(name: str) -> str:
    """The title of an axis that shows the loss called `name` by Keras."""
    if "crossentropy" in name.lower():
        return "Cross-entropy loss"
    return f"Loss ({name.replace('_', ' ')})" if name else "Loss"


def heading(title: str, notes: Iterable[str] = ()) -> alt.TitleParams:
    """A title with a subtitle, both in lines that fit above a chart."""
    return alt.TitleParams(
        textwrap.wrap(title, _TITLE_WIDTH) or [""],
        subtitle=textwrap.wrap(" ".join(notes), _SUBTITLE_WIDTH),
    )
