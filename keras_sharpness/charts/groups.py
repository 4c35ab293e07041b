"""Numbers of groups of trainings, side by side."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import linear_axis, log_axis
from keras_sharpness.charts._rows import inline_data, require_columns
from keras_sharpness.charts._text import heading, number
from keras_sharpness.charts.theme import themed

_WIDTH, _STEP = 300, 26


def group_chart(
    frame: pd.DataFrame,
    quantities: Mapping[str, str],
    *,
    groups: Sequence[str],
    group: str = "group",
    title: str | None = None,
) -> alt.ConcatChart:
    """Numbers of trainings, one line for each group.

    Each number has a panel: a point per training, and a tick at the mean of
    the group, on a logarithmic axis for positive numbers that are no shares.

    Args:
        frame: DataFrame, one row per training, with `group`, `seed` and the
            columns of `quantities`.
        quantities: Mapping from columns to titles; accuracies, in [0, 1], are
            drawn in percent.
        groups: Sequence of str. The groups from top to bottom.
        group: Str. Column of the groups.
        title: Str. By default it says what is drawn.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If a column is missing, or there is nothing to draw.

    Example:

    ```python
    import pandas as pd
    from keras_sharpness.charts import group_chart

    frame = pd.DataFrame({
        "seed": [0, 1, 0, 1],
        "group": ["plain", "plain", "SAM", "SAM"],
        "eigenvalue_1": [3.7, 3.5, 2.0, 1.6],
    })
    chart = group_chart(
        frame, {"eigenvalue_1": "Eigenvalue"}, groups=["plain", "SAM"]
    )
    ```
    """
    arguments.text("title", title, optional=True, empty=True)
    must = "a sequence of names of groups"
    if isinstance(groups, str) or not isinstance(groups, Sequence):
        raise arguments.refuse("groups", groups, must)
    if not groups or not all(isinstance(g, str) for g in groups):
        raise arguments.refuse("groups", groups, f"{must}, one or more")
    arguments.text("group", group)
    arguments.instance("quantities", quantities, Mapping, "a dict of titles")
    require_columns(frame, ["seed", group, *quantities])
    panels, spoken = [], []
    for column, name in quantities.items():
        factor = 100.0 if column.endswith("accuracy") else 1.0
        rows = pd.DataFrame(
            {
                "group": frame[group].astype(str),
                "value": factor * frame[column].astype(float),
                "seed": frame["seed"],
            }
        )
        rows = rows[np.isfinite(rows["value"]) & rows["group"].isin(groups)]
        if rows.empty:
            continue
        is_log = factor == 1.0 and bool((rows["value"] > 0).all())
        panels.append(_panel(rows, name, list(groups), is_log))
        spoken.append(_spoken(rows, name, groups))
    if not panels:
        raise ValueError(
            "No column of `quantities` has a finite number in one of `groups`, "
            "so there is nothing to draw. Measure again and pass the new "
            "values."
        )
    text = title or "Trainings by group"
    notes = ["One point per training; the tick is the mean of the group."]
    chart = alt.concat(*panels, columns=2, spacing=28).properties(
        title=heading(text, notes),
        description=" ".join([f"Strip charts. {text}.", *spoken, *notes]),
    )
    return themed(chart)


def _panel(
    rows: pd.DataFrame, name: str, groups: list[str], is_log: bool
) -> alt.LayerChart:
    values = rows["value"]
    axis = (
        log_axis(values)
        if is_log
        else linear_axis(float(values.min()), float(values.max()))
    )
    means = (
        rows.assign(value=np.log(values) if is_log else values)
        .groupby("group", as_index=False)["value"]
        .mean()
    )
    if is_log:
        means["value"] = np.exp(means["value"])
    y = alt.Y("group:N", sort=groups, title=None)
    x = alt.X(
        "value:Q",
        scale=axis.scale,
        axis=axis.axis(f"{name}, log scale" if is_log else name),
    )
    tooltip = [
        alt.Tooltip("group:N"),
        alt.Tooltip("value:Q", title=name, format=".4~g"),
    ]
    points = (
        alt.Chart(inline_data(rows))
        .mark_point(filled=True, opacity=0.45, size=45)
        .encode(x=x, y=y, tooltip=[*tooltip, alt.Tooltip("seed:N")])
    )
    ticks = (
        alt.Chart(inline_data(means))
        .mark_tick(thickness=3, size=18)
        .encode(x=x, y=y, tooltip=tooltip)
    )
    return alt.layer(points, ticks).properties(
        width=_WIDTH, height=_STEP * len(groups)
    )


def _spoken(rows: pd.DataFrame, name: str, groups: Sequence[str]) -> str:
    means = rows.groupby("group")["value"].mean()
    parts = [
        f"{group} {number(means[group])}" for group in groups if group in means
    ]
    return f"{name}: {', '.join(parts)}."
