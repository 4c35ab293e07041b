"""The numbers of several minima as multiples of a reference's."""

from collections.abc import Collection

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import log_axis
from keras_sharpness.charts._rows import inline_data, require_columns
from keras_sharpness.charts._text import heading, number
from keras_sharpness.charts.theme import themed

_FADED = 0.2


def relative_chart(
    rows: pd.DataFrame,
    *,
    reference: str,
    groups: list[str],
    highlighted: Collection[str] = (),
) -> alt.LayerChart:
    """One line per minimum, across the quantities; the reference lies at 1.

    Args:
        rows: DataFrame with the columns minimum, group, quantity, value and
            ratio, the last one positive.
        reference: Str. The minimum that the others are divided by.
        groups: List of str, in the order of their colours.
        highlighted: Collection of str. Minima that stand out; all if empty.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If there is nothing to draw.

    Example:

    ```python
    import keras_sharpness as ks
    import pandas as pd

    rows = pd.DataFrame(
        {
            "minimum": ["small batch", "large batch"],
            "group": ["small", "large"],
            "quantity": "trace",
            "value": [210.0, 930.0],
            "ratio": [1.0, 930 / 210],
        }
    )
    chart = ks.charts.relative_chart(
        rows, reference="small batch", groups=["small", "large"]
    )
    ```
    """
    require_columns(
        rows, ["minimum", "quantity", "group", "value", "ratio"], name="rows"
    )
    arguments.text("reference", reference)
    rows = rows[np.isfinite(rows["ratio"]) & (rows["ratio"] > 0)]
    if rows.empty:
        raise ValueError(
            "No quantity is known of a minimum and of the reference. Compute "
            "what is missing."
        )
    rows = rows.assign(
        shown=rows["minimum"].isin(list(highlighted) or set(rows["minimum"])),
        text=[number(value, 4) for value in rows["value"]],
    )
    axis = log_axis([*rows["ratio"], 0.9, 1.1])
    quantities = list(dict.fromkeys(rows["quantity"]))
    x = alt.X(
        "quantity:N",
        scale=alt.Scale(domain=quantities, padding=0.3),
        axis=alt.Axis(
            title=None, labelAngle=0, labelLimit=150, ticks=False, grid=True
        ),
    )
    y = alt.Y(
        "ratio:Q",
        scale=axis.scale,
        axis=axis.axis(f"Multiple of {reference} (log scale)"),
    )
    color = alt.Color(
        "group:N",
        scale=alt.Scale(domain=groups),
        legend=alt.Legend(title=None, symbolOpacity=1),
    )
    opacity = (
        alt.when(alt.datum.shown)
        .then(alt.value(1.0))
        .otherwise(alt.value(_FADED))
    )
    base = alt.Chart(inline_data(rows)).encode(
        x=x, y=y, color=color, opacity=opacity, detail="minimum:N"
    )
    one = (
        alt.Chart(inline_data(pd.DataFrame({"ratio": [1.0]})))
        .mark_rule(style="reference-line", strokeDash=[4, 3])
        .encode(y=y)
    )
    name = alt.Tooltip("minimum:N", title="minimum")
    points = base.mark_point(filled=True, size=80).encode(
        tooltip=[
            name,
            alt.Tooltip("quantity:N", title="quantity"),
            alt.Tooltip("text:N", title="value"),
            alt.Tooltip("ratio:Q", title=f"times {reference}", format=".4~g"),
        ]
    )
    parts = [
        f"{row.minimum}, {row.quantity}: {number(row.ratio)}"
        for row in rows.itertuples()
        if row.minimum != reference
    ]
    note = f"Each quantity divided by that of {reference}."
    text = "How much sharper, and how much better"
    return themed(
        alt.layer(
            one, base.mark_line().encode(tooltip=[name]), points
        ).properties(
            width=560,
            height=300,
            title=heading(text, [note]),
            description=f"Line chart. {text}. {note} {'; '.join(parts)}.",
        )
    )
