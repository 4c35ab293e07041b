"""Accuracy and sharpness against the batch size, as Keskar et al. Figure 4."""

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd
import scipy.special

from keras_sharpness import arguments
from keras_sharpness.charts._axes import Axis, linear_axis, log_axis
from keras_sharpness.charts._rows import inline_data, require_columns
from keras_sharpness.charts._text import heading, number
from keras_sharpness.charts.theme import themed

_WIDTH, _HEIGHT = 330, 220
_CONFIDENCE = 0.95


def batch_size_chart(
    frame: pd.DataFrame,
    quantities: Mapping[str, str],
    *,
    x: str = "batch_size",
    x_title: str = "Batch size B",
    title: str | None = None,
) -> alt.ConcatChart:
    """Numbers of trainings against the logarithm of the batch size.

    Each number has a panel: a point per training, a line through the means
    over the seeds, and where there are two seeds or more the 95 % confidence
    intervals of the means (Student's t; of the logarithms where the axis is
    logarithmic, which it is for positive numbers that are no shares).

    Args:
        frame: DataFrame, one row per training, with `x`, `seed` and the
            columns of `quantities`.
        quantities: Mapping from columns to titles, e.g.
            `{"test_accuracy": "Test accuracy (%)"}`; accuracies, in [0, 1],
            are drawn in percent.
        x: Str. Column of the batch sizes.
        x_title: Str. Title of their axis.
        title: Str. By default it says what is drawn.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If a column is missing, or there is nothing to draw.

    Example:

    ```python
    import pandas as pd
    from keras_sharpness.charts import batch_size_chart

    frame = pd.DataFrame({
        "seed": [0, 1, 0, 1],
        "batch_size": [16, 16, 2000, 2000],
        "test_accuracy": [0.92, 0.93, 0.90, 0.91],
        "eigenvalue_1": [0.3, 0.4, 6.0, 6.3],
    })
    chart = batch_size_chart(
        frame,
        {"test_accuracy": "Test accuracy (%)", "eigenvalue_1": "Eigenvalue"},
    )
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Figure 4.
    """
    arguments.text("title", title, optional=True, empty=True)
    must = "a dict from columns to titles"
    arguments.instance("quantities", quantities, Mapping, must)
    for name, text in (("x", x), ("x_title", x_title)):
        arguments.text(name, text)
    if not quantities:
        raise arguments.refuse("quantities", quantities, must)
    require_columns(frame, ["seed", x, *quantities])
    axis = log_axis(frame[x].astype(float))
    panels, spoken = [], []
    for column, name in quantities.items():
        rows = _rows(frame, x, column)
        if rows.empty:
            continue
        panels.append(_panel(rows, axis, x_title, name, column))
        spoken.append(_spoken(rows, name))
    if not panels:
        raise ValueError(
            "No column of `quantities` has a finite number, so there is "
            "nothing to draw. Measure again and pass the new values."
        )
    text = title or "Accuracy and sharpness against the batch size"
    notes = ["One point per training; the line joins the means of the seeds."]
    if frame["seed"].nunique() > 1:
        notes.append("Bars: 95 % confidence intervals of the means.")
    chart = alt.concat(*panels, columns=2, spacing=28).properties(
        title=heading(text, notes),
        description=" ".join([f"Line charts. {text}.", *spoken, *notes]),
    )
    return themed(chart)


def _rows(frame: pd.DataFrame, x: str, column: str) -> pd.DataFrame:
    factor = 100.0 if column.endswith("accuracy") else 1.0
    rows = pd.DataFrame(
        {
            "x": frame[x].astype(float),
            "y": factor * frame[column].astype(float),
            "seed": frame["seed"],
        }
    )
    return rows[np.isfinite(rows["x"]) & np.isfinite(rows["y"])]


def _panel(
    rows: pd.DataFrame, x_axis: Axis, x_title: str, name: str, column: str
) -> alt.LayerChart:
    is_log = not column.endswith("accuracy") and bool((rows["y"] > 0).all())
    means = _means(rows, is_log)
    values = pd.concat([rows["y"], means["low"], means["high"]]).dropna()
    if is_log:
        # An interval of two seeds can span many decades.
        span = rows["y"].min() / 10, rows["y"].max() * 10
        y_axis = log_axis(values.clip(*span))
    else:
        span = rows["y"].max() - rows["y"].min() or 1.0
        near = rows["y"].min() - span, rows["y"].max() + span
        values = values.clip(*near)
        y_axis = linear_axis(float(values.min()), float(values.max()))
    if is_log:
        name = f"{name}, log scale"
    x = alt.X(
        "x:Q", scale=x_axis.scale, axis=x_axis.axis(f"{x_title}, log scale")
    )
    y = alt.Y("y:Q", scale=y_axis.scale, axis=y_axis.axis(name))
    tooltip = [
        alt.Tooltip("x:Q", title="batch size", format=".4~g"),
        alt.Tooltip("y:Q", title=name, format=".4~g"),
    ]
    line = alt.Chart(inline_data(means)).encode(x=x, y=y)
    layers = [
        line.mark_line(),
        alt.Chart(inline_data(rows))
        .mark_point(filled=True, opacity=0.45, size=45)
        .encode(x=x, y=y, tooltip=[*tooltip, alt.Tooltip("seed:N")]),
        line.mark_point(filled=True, opacity=1, size=70).encode(
            tooltip=tooltip
        ),
    ]
    bars = means.dropna()
    if not bars.empty:
        layers.insert(
            0,
            alt.Chart(inline_data(bars))
            .mark_rule(strokeWidth=2, opacity=0.6, clip=True)
            .encode(x=x, y=alt.Y("low:Q", scale=y_axis.scale), y2="high:Q"),
        )
    return alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT)


def _means(rows: pd.DataFrame, is_log: bool) -> pd.DataFrame:
    """Mean and interval of each batch size; none where there is one seed."""
    found = []
    for size, group in rows.groupby("x"):
        values = group["y"].to_numpy()
        values = np.log(values) if is_log else values
        number_of = len(values)
        margin = np.nan
        if number_of > 1:
            quantile = scipy.special.stdtrit(
                number_of - 1, 0.5 + _CONFIDENCE / 2
            )
            margin = quantile * values.std(ddof=1) / np.sqrt(number_of)
        ends = values.mean() + margin * np.array([-1.0, 0.0, 1.0])
        ends[1] = values.mean()
        if is_log:
            with np.errstate(over="ignore"):
                ends = np.exp(ends)
        found.append({"x": size, "low": ends[0], "y": ends[1], "high": ends[2]})
    return pd.DataFrame(found).replace(np.inf, np.finfo(np.float64).max)


def _spoken(rows: pd.DataFrame, name: str) -> str:
    means = rows.groupby("x")["y"].mean()
    return (
        f"{name}: {number(means.iloc[0])} at batch size "
        f"{number(means.index[0])}, {number(means.iloc[-1])} at "
        f"{number(means.index[-1])}."
    )
