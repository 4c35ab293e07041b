"""A quantity that callbacks measured, epoch by epoch."""

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import linear_axis, log_axis
from keras_sharpness.charts._rows import inline_data, require_columns
from keras_sharpness.charts._text import heading, number
from keras_sharpness.charts.theme import themed

_TITLES = {"epsilon_sharpness": "ε-sharpness φ (%)"}


def epochs_chart(
    rows: pd.DataFrame, *, quantity: str, groups: list[str]
) -> alt.LayerChart:
    """One line per training, logarithmic where all values are positive.

    Args:
        rows: DataFrame with the columns run, group, epoch and value.
        quantity: Str. Name of the column of the logs.
        groups: List of str, in the order of their colours.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If no value is finite.

    Example:

    ```python
    import keras_sharpness as ks
    import pandas as pd

    rows = pd.DataFrame(
        {
            "run": "batch 32",
            "group": "small",
            "epoch": [1, 2, 3],
            "value": [4.0, 9.5, 12.1],
        }
    )
    chart = ks.charts.epochs_chart(rows, quantity="trace", groups=["small"])
    ```
    """
    require_columns(rows, ["run", "group", "epoch", "value"], name="rows")
    arguments.text("quantity", quantity)
    rows = rows[np.isfinite(rows["value"].astype(float))]
    if rows.empty:
        raise ValueError(
            f"No value of {quantity!r} is finite, so there is nothing to draw."
        )
    title = _TITLES.get(quantity, quantity.replace("_", " ").capitalize())
    values = rows["value"]
    if (values > 0).all():
        axis, unit = log_axis(values), " (log scale)"
    else:
        axis, unit = linear_axis(values.min(), values.max()), ""
    line = (
        alt.Chart(inline_data(rows))
        .mark_line(point=True)
        .encode(
            x=alt.X(
                "epoch:Q",
                scale=alt.Scale(zero=False, nice=False),
                axis=alt.Axis(title="Epoch", tickMinStep=1, tickCount=8),
            ),
            y=alt.Y("value:Q", scale=axis.scale, axis=axis.axis(title + unit)),
            color=alt.Color(
                "group:N",
                scale=alt.Scale(domain=groups),
                legend=alt.Legend(title=None),
            ),
            detail="run:N",
            tooltip=[
                alt.Tooltip("run:N", title="run"),
                alt.Tooltip("epoch:Q", title="epoch"),
                alt.Tooltip("value:Q", title=title, format=".4~g"),
            ],
        )
    )
    text = f"{title.removesuffix(' (%)')} over the epochs"
    parts = [
        f"{run}: from {number(g['value'].iloc[0])} to "
        f"{number(g['value'].iloc[-1])}"
        for run, g in rows.groupby("run", sort=False)
    ]
    return themed(
        alt.layer(line).properties(
            width=560,
            height=300,
            title=heading(text),
            description=f"Line chart. {text}. {'; '.join(parts)}.",
        )
    )
