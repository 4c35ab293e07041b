"""Sharpness of the minimum against the accuracy on the test data."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import Axis, linear_axis, log_axis
from keras_sharpness.charts._rows import (
    Kinds,
    batch_kinds,
    inline_data,
    require_columns,
)
from keras_sharpness.charts._text import heading, number
from keras_sharpness.charts.theme import themed

_SIZE = {1: (520, 340), 2: (310, 280)}  # pixels, by the number of columns
_TITLES = {
    "sharpness": "ε-sharpness φ (%)",
    "test_accuracy": "Test accuracy (%)",
}
_SHOWN = ("x", "y", "kind", "seed", "epsilon", "space")
_SPACES = {"full": "full space", "subspace": "random subspace"}


def sharpness_chart(
    frame: pd.DataFrame,
    *,
    x: str = "sharpness",
    y: str | None = None,
    color: str = "batch",
    title: str | None = None,
) -> alt.ConcatChart:
    """Test accuracy against ε-sharpness, one point per run.

    The axis of the sharpness is logarithmic where all values are positive. A
    thin line joins the two runs of one seed. Each ε and space has a panel with
    an x axis of its own, as their values are not comparable.

    Args:
        frame: DataFrame, one row per measurement, with the columns `x`, `y`
            and `color`, and if known `seed`, `batch_size`, `epsilon` and
            `space` (`"full"` or `"subspace"`).
        x: Str. Column of the sharpness, in percent.
        y: Str. Column of the accuracy, in [0, 1], or of a loss. By default
            `"test_accuracy"`, or `"test_loss"` where no run has an accuracy.
        color: Str. Column of `"small"` and `"large"`, or of batch sizes.
        title: Str. By default it says what is drawn.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If a column is missing, or there is nothing to draw.

    Example:

    ```python
    import pandas as pd
    from keras_sharpness.charts import sharpness_chart

    frame = pd.DataFrame({
        "seed": [0, 0],
        "batch": ["small", "large"],
        "test_accuracy": [0.98, 0.97],
        "sharpness": [1.2, 205.0],
    })
    chart = sharpness_chart(frame)
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Tables 2 and 3.
    """
    arguments.text("title", title, optional=True, empty=True)
    arguments.instance("frame", frame, pd.DataFrame, "a DataFrame")
    if y is None:
        y = success_column(frame)
    for name, column in (("x", x), ("y", y), ("color", color)):
        arguments.text(name, column)
    require_columns(frame, [x, y, color])
    rows, factor = _rows(frame, x, y)
    kinds = batch_kinds(rows, color)
    rows["kind"] = kinds.labels
    y_axis = linear_axis(float(rows["y"].min()), float(rows["y"].max()))
    if factor == 100.0 and y_axis.upper > 100.0:
        y_axis = linear_axis(y_axis.lower, 100.0)
    groups = list(rows.groupby("panel", sort=False))
    panels = [
        _panel(
            group,
            name if len(groups) > 1 else "",
            kinds,
            y_axis,
            (_title(x), _title(y)),
            _SIZE[min(len(groups), 2)],
        )
        for name, group in groups
    ]
    text = title or f"{_title(y, unit=False)} against {_title(x, unit=False)}"
    notes = _notes(rows, [name for name, _ in groups], x)
    if len(rows) < len(frame):
        notes.append(f"Not drawn: {len(frame) - len(rows)} without a value.")
    chart = alt.concat(*panels, columns=2, spacing=28).properties(
        title=heading(text, notes),
        description=_description(text, rows, notes),
    )
    return themed(chart)


def success_column(frame: pd.DataFrame) -> str:
    """What tells how well the runs of a table do on test data.

    Args:
        frame: DataFrame, as for `sharpness_chart`.

    Returns:
        `"test_accuracy"`, or `"test_loss"` where no run has an accuracy.
    """
    without = "test_accuracy" in frame and frame["test_accuracy"].isna().all()
    return "test_loss" if without and "test_loss" in frame else "test_accuracy"


def _rows(frame: pd.DataFrame, x: str, y: str) -> tuple[pd.DataFrame, float]:
    """Rows with x, y, panel and seed; the factor y was multiplied by."""
    factor = 100.0 if y.endswith("accuracy") else 1.0
    rows = frame.copy()
    rows["x"] = frame[x].astype(float)
    rows["y"] = factor * frame[y].astype(float)
    rows = rows[np.isfinite(rows["x"]) & np.isfinite(rows["y"])]
    if rows.empty:
        raise ValueError(
            f"No row of `frame` has finite {x!r} and {y!r}, so there is "
            "nothing to draw. Measure again and pass the new values."
        )
    if factor == 100.0 and not rows["y"].between(0.0, 100.0).all():
        raise ValueError(
            f"Column {y!r} must lie between 0 and 1. Received: values from "
            f"{frame[y].min()} to {frame[y].max()}. Divide percent by 100."
        )
    parts = []
    if "epsilon" in rows:
        parts.append(rows["epsilon"].map(lambda value: f"ε = {value:g}"))
    if "space" in rows:
        parts.append(rows["space"].map(lambda s: _SPACES.get(s, str(s))))
    rows["panel"] = ""
    for part in parts:
        rows["panel"] = (
            rows["panel"].where(rows["panel"] == "", rows["panel"] + ", ")
            + part
        )
    return rows.reset_index(drop=True), factor


def _panel(
    rows: pd.DataFrame,
    name: str,
    kinds: Kinds,
    y_axis: Axis,
    titles: tuple[str, str],
    size: tuple[int, int],
) -> alt.LayerChart:
    x_axis, x_title = _x_axis(rows["x"]), titles[0]
    if x_axis.log:
        x_title = x_title.replace(" (%)", " (%, log scale)")
    x = alt.X("x:Q", scale=x_axis.scale, axis=x_axis.axis(x_title))
    y = alt.Y("y:Q", scale=y_axis.scale, axis=y_axis.axis(titles[1]))
    shown = [name for name in _SHOWN if name in rows]
    base = alt.Chart(inline_data(rows[shown])).encode(x=x, y=y)
    layers: list[Any] = []
    if "seed" in rows and (rows.groupby("seed")["kind"].nunique() == 2).any():
        pairs = rows[rows.groupby("seed")["kind"].transform("size") == 2]
        layers.append(
            alt.Chart(inline_data(pairs[["x", "y", "seed"]]))
            .mark_line(style="reference-line", strokeWidth=1)
            .encode(x=x, y=y, detail="seed:N", order="x:Q")
        )
    layers.append(
        base.mark_point(filled=True, opacity=0.9, size=90).encode(
            color=kinds.color(),
            shape=kinds.shape(),
            tooltip=_tooltip(rows, titles),
        )
    )
    panel = alt.layer(*layers).properties(width=size[0], height=size[1])
    if name:
        panel = panel.properties(
            title=alt.TitleParams(name, fontSize=13, offset=8)
        )
    return panel


def _x_axis(values: pd.Series) -> Axis:
    if (values > 0).all():
        return log_axis(values)
    return linear_axis(float(values.min()), float(values.max()))


def _tooltip(rows: pd.DataFrame, titles: tuple[str, str]) -> list[alt.Tooltip]:
    tooltip = [alt.Tooltip("kind:N", title="batch")]
    for name in _SHOWN[3:]:
        if name in rows:
            tooltip.append(alt.Tooltip(f"{name}:N", title=name))
    return [
        *tooltip,
        alt.Tooltip("x:Q", title=titles[0], format=".4~g"),
        alt.Tooltip("y:Q", title=titles[1], format=".4~g"),
    ]


def _title(column: str, unit: bool = True) -> str:
    title = _TITLES.get(column, column.replace("_", " ").capitalize())
    if column not in _TITLES and column.endswith("accuracy"):
        title += " (%)"
    return title if unit else title.removesuffix(" (%)")


def _notes(rows: pd.DataFrame, panels: list[str], x: str) -> list[str]:
    notes = []
    if len(panels) == 1 and panels[0]:
        notes.append(f"{panels[0]}.")
    about = "One point per run"
    if "seed" in rows:
        about += "; thin lines join the two runs of a seed"
    notes.append(f"{about}.")
    if x == "sharpness":
        notes.append("The sharpness is the largest found, a lower bound.")
    if len(panels) > 1:
        notes.append("Each panel has its own horizontal axis.")
    return notes


def _description(title: str, rows: pd.DataFrame, notes: list[str]) -> str:
    parts = [
        f"{', '.join(filter(None, (panel, kind)))}: {len(group)} runs, from "
        f"{number(group['x'].min())} to {number(group['x'].max())} across and "
        f"{number(group['y'].min())} to {number(group['y'].max())} up"
        for (panel, kind), group in rows.groupby(["panel", "kind"], sort=False)
    ]
    return " ".join([f"Scatter plot. {title}.", f"{'; '.join(parts)}.", *notes])
