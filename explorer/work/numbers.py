"""The numbers of minima side by side, what each of them cost, and Python."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from work.data import DataChoice
from work.measure import Measure
from work.minimum import Minimum

EPSILONS = (1e-3, 5e-4)
QUANTITIES = (
    ("evaluation", 0.0),
    *(("sharpness", epsilon) for epsilon in EPSILONS),
    ("eigenvalues", 3.0),
    ("trace", 100.0),
)
# The columns of the table and how they are written.
FORMATS = {
    "test acc. (%)": "%.2f",
    **{f"φ {epsilon:g} (%)": "%.4g" for epsilon in EPSILONS},
    "λ₁": "%.4g",
    "trace": "%.4g",
    "± trace": "%.2g",
    "train loss": "%.4g",
    "test loss": "%.4g",
    "train acc. (%)": "%.2f",
    "‖w‖": "%.4g",
}
# What is no measure of sharpness or of success, or differs by nature.
_NOT_COMPARED = {"± trace", "train acc. (%)"}
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


def requests_for(minima: list[Minimum], data: DataChoice) -> list[Measure]:
    """What to measure of every minimum, minimum by minimum."""
    return [
        Measure(minima=(minimum,), data=data, quantity=quantity, option=option)
        for minimum in minima
        for quantity, option in QUANTITIES
    ]


def table(requests: list[Measure], results: list[Any]) -> pd.DataFrame:
    """One row per minimum and the columns of `FORMATS`; NaN if unknown."""
    rows: dict[str, dict[str, float]] = {}
    for request, result in zip(requests, results, strict=True):
        row = rows.setdefault(request.minima[0].name, {})
        if result is not None:
            row.update(_numbers(request, result))
    frame = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return frame.reindex(columns=list(FORMATS)).rename_axis("minimum")


def _numbers(request: Measure, result: Any) -> dict[str, Any]:
    if request.quantity == "sharpness":
        return {f"φ {request.option:g} (%)": result.value}
    if request.quantity == "eigenvalues":
        return {"λ₁": float(result.eigenvalues[0])}
    if request.quantity == "trace":
        return {"trace": result.value, "± trace": result.standard_error}
    percent = {
        f"{split} acc. (%)": None if value is None else 100 * value
        for split, value in (
            ("train", result.train_accuracy),
            ("test", result.test_accuracy),
        )
    }
    return {
        **percent,
        "train loss": result.train_loss,
        "test loss": result.test_loss,
        "‖w‖": result.weight_norm,
    }


def relative(
    frame: pd.DataFrame, reference: str, groups: Mapping[str, str]
) -> pd.DataFrame:
    """Every number divided by the reference's, one row for each.

    Args:
        frame: DataFrame of `table`.
        reference: Str. A row of it.
        groups: Mapping from minima to what has one colour.

    Returns:
        A DataFrame with the columns minimum, group, quantity, value, ratio.
    """
    rows = [
        {
            "minimum": name,
            "group": groups[name],
            "quantity": quantity,
            "value": value,
            "ratio": value / frame.loc[reference, quantity]
            if frame.loc[reference, quantity]
            else float("nan"),
        }
        for name, numbers in frame.iterrows()
        for quantity, value in numbers.items()
        if quantity not in _NOT_COMPARED
    ]
    return pd.DataFrame(rows)


def costs(requests: list[Measure], results: list[Any]) -> pd.DataFrame:
    """One row per number that is known: passes over the data and seconds."""
    rows = []
    for request, result in zip(requests, results, strict=True):
        if result is None:
            continue
        products = getattr(result, "num_products", None)
        evaluations = getattr(result, "num_evaluations", None)
        passes = "one evaluation of each set"
        if products is not None:
            passes = f"{products} Hessian products"
        elif evaluations is not None:
            passes = f"{evaluations} gradients"
        rows.append(
            {
                "minimum": request.minima[0].name,
                "number": request.label,
                "took": passes,
                "seconds": getattr(result, "seconds", None),
                "samples": result.objective["num_samples"],
                "seed": getattr(result, "seed", None),
            }
        )
    columns = ["minimum", "number", "took", "seconds", "samples", "seed"]
    return pd.DataFrame(rows, columns=columns)


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
        numbers |= _expressions(request, f"measurement_{number}")
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


def _expressions(request: Measure, variable: str) -> dict[str, str]:
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
