"""Python that draws minima as multiples of a reference."""

from collections.abc import Collection, Mapping, Sequence

from work.measure import Measure
from work.numbers import FORMATS

_EVALUATED = {
    "test acc. (%)": '100 * {0}["test"].get("accuracy", np.nan)',
    "train loss": '{0}["train"]["loss"]',
    "test loss": '{0}["test"]["loss"]',
    "‖w‖": '{0}["weight_norm"]',
}
_CHART = """
groups = {groups!r}
reference = values[{reference!r}]
rows = pd.DataFrame(
    {{
        "minimum": name,
        "group": groups[name],
        "quantity": quantity,
        "value": value,
        "ratio": value / reference[quantity]
        if reference[quantity]
        else np.nan,
    }}
    for name, numbers in values.items()
    for quantity, value in numbers.items()
)
chart = ks.charts.relative_chart(
    rows,
    reference={reference!r},
    groups=list(dict.fromkeys(groups.values())),
    highlighted={highlighted!r},
)
"""


def relative_code(
    requests: Sequence[Measure],
    *,
    reference: str,
    groups: Mapping[str, str],
    highlighted: Collection[str] = (),
) -> str:
    """Lines after those of `script`, which draw what it has measured.

    Args:
        requests: Sequence of `Measure`, those of the script.
        reference: Str. The minimum that the others are divided by.
        groups: Mapping from minima to what has one colour.
        highlighted: Collection of str. Minima that stand out.

    Returns:
        Str.
    """
    values: dict[str, dict[str, str]] = {}
    for number, request in enumerate(requests, 1):
        numbers = values.setdefault(request.minima[0].name, {})
        numbers |= _numbers(request, f"measurement_{number}")
    lines = ["import pandas as pd", "", "values = {"]
    for name, numbers in values.items():
        lines.append(f"    {name!r}: {{")
        lines += [
            f"        {column!r}: {numbers[column]},"
            for column in FORMATS
            if column in numbers
        ]
        lines.append("    },")
    lines.append("}")
    drawn = _CHART.format(
        groups=dict(groups), reference=reference, highlighted=list(highlighted)
    )
    return "\n".join(lines) + drawn


def _numbers(request: Measure, variable: str) -> dict[str, str]:
    """Columns of the table and the expressions of their values."""
    if request.quantity == "sharpness":
        return {f"φ {request.option:g} (%)": f"{variable}.value"}
    if request.quantity == "eigenvalues":
        return {"λ₁": f"{variable}.eigenvalues[0]"}
    if request.quantity == "trace":
        return {"trace": f"{variable}.value"}
    return {
        column: text.format(variable) for column, text in _EVALUATED.items()
    }
