"""The largest eigenvalues of the Hessian, run by run."""

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

_WIDTH, _HEIGHT = 480, 320


def eigenvalue_chart(
    frame: pd.DataFrame, *, color: str = "batch", title: str | None = None
) -> alt.LayerChart:
    """The eigenvalues that were computed, one column of points per run.

    The axis is logarithmic where all are positive. The largest of each run is
    drawn larger; those that have not converged are hollow.

    Args:
        frame: DataFrame, one row per eigenvalue, with the columns
            `eigenvalue` and `color`, and if known `seed`, `batch_size`,
            `residual` and `converged`.
        color: Str. Column of `"small"` and `"large"`, or of batch sizes.
        title: Str. By default it says what is drawn.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If a column is missing, or there is nothing to draw.

    Example:

    ```python
    import pandas as pd
    from keras_sharpness.charts import eigenvalue_chart

    frame = pd.DataFrame({
        "batch": ["small", "small", "large", "large"],
        "eigenvalue": [2.3, 2.0, 12.5, 11.8],
    })
    chart = eigenvalue_chart(frame)
    ```
    """
    arguments.text("title", title, optional=True, empty=True)
    arguments.text("color", color)
    require_columns(frame, ["eigenvalue", color])
    rows = _rows(frame, color)
    kinds = batch_kinds(rows, color)
    rows["kind"] = kinds.labels
    axis = _axis(rows["eigenvalue"])
    text = title or "Largest eigenvalues of the Hessian"
    notes = _notes(frame, rows)
    chart = _layers(rows, axis, kinds).properties(
        width=_WIDTH,
        height=_HEIGHT,
        title=heading(text, notes),
        description=_description(text, rows, notes),
    )
    return themed(chart)


def _rows(frame: pd.DataFrame, color: str) -> pd.DataFrame:
    rows = frame.copy()
    rows["eigenvalue"] = frame["eigenvalue"].astype(float)
    rows = rows[np.isfinite(rows["eigenvalue"])].reset_index(drop=True)
    if rows.empty:
        raise ValueError(
            "No eigenvalue of `frame` is finite, so there is nothing to draw. "
            "Measure again and pass the new values."
        )
    if "seed" not in rows:
        rows["seed"] = ""
    runs = rows.groupby([color, "seed"])["eigenvalue"]
    rows["top"] = rows["eigenvalue"] == runs.transform("max")
    rows["place"] = runs.rank(ascending=False, method="first").astype(int)
    if "converged" not in rows:
        rows["converged"] = True
    return rows


def _axis(values: pd.Series) -> Axis:
    if (values > 0).all():
        return log_axis(values)
    # Zero tells descending from ascending directions, so it is in sight.
    return linear_axis(min(0.0, values.min()), max(0.0, values.max()))


def _layers(rows: pd.DataFrame, axis: Axis, kinds: Kinds) -> alt.LayerChart:
    title = "Eigenvalue λ" + (" (log scale)" if axis.log else "")
    y = alt.Y("eigenvalue:Q", scale=axis.scale, axis=axis.axis(title))
    x = alt.X(
        "kind:N",
        scale=alt.Scale(domain=kinds.legend, paddingInner=0.25),
        axis=alt.Axis(title="Run", labelAngle=0, domain=False, ticks=False),
    )
    tooltip = [alt.Tooltip("kind:N", title="batch")]
    if (rows["seed"] != "").any():
        tooltip.append(alt.Tooltip("seed:N", title="seed"))
    tooltip += [
        alt.Tooltip("place:Q", title="rank", format="d"),
        alt.Tooltip("eigenvalue:Q", title="eigenvalue", format=".4~g"),
    ]
    if "residual" in rows:
        tooltip.append(
            alt.Tooltip("residual:Q", title="residual", format=".2~e")
        )
    tooltip.append(alt.Tooltip("converged:N", title="converged"))
    columns = ["kind", "seed", "place", "eigenvalue", "top", "converged"]
    if "residual" in rows:
        columns.append("residual")
    points = (
        alt.Chart(inline_data(rows[columns]))
        .mark_point(opacity=1)
        .encode(
            x=x,
            y=y,
            xOffset=alt.XOffset("seed:N"),
            color=kinds.color(),
            shape=kinds.shape(),
            fill=kinds.color(),
            size=alt.Size(
                "top:O",
                scale=alt.Scale(domain=[True, False], range=[110, 40]),
                legend=None,
            ),
            fillOpacity=alt.FillOpacity(
                "converged:O",
                scale=alt.Scale(domain=[True, False], range=[1, 0]),
                legend=None,
            ),
            tooltip=tooltip,
        )
    )
    layers = [points]
    if not axis.log:
        zero = alt.Chart(inline_data(pd.DataFrame({"eigenvalue": [0.0]})))
        layers.insert(0, zero.mark_rule(style="reference-line").encode(y=y))
    return alt.layer(*layers)


def _notes(frame: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    notes = ["One column of points per run; the largest one is drawn larger."]
    hollow = int((~rows["converged"].astype(bool)).sum())
    if hollow:
        notes.append(
            f"Hollow: {hollow} of {len(rows)} eigenvalues, not converged."
        )
    if len(rows) < len(frame):
        notes.append(
            f"Not drawn: {len(frame) - len(rows)} that are not finite."
        )
    return notes


def _description(title: str, rows: pd.DataFrame, notes: list[str]) -> str:
    top = rows[rows["top"]]
    parts = [
        f"{kind}: the largest of each run lies between "
        f"{number(values.min())} and {number(values.max())}"
        for kind, values in top.groupby("kind", sort=False)["eigenvalue"]
    ]
    return " ".join([f"Dot plot. {title}.", f"{'; '.join(parts)}.", *notes])
