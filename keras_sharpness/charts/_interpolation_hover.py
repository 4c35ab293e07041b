"""What the pointer reads off an interpolation."""

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness.charts._interpolation_rows import Curves
from keras_sharpness.charts._rows import inline_data
from keras_sharpness.charts._text import number


def hover_bands(curves: Curves, x: alt.X) -> alt.Chart:
    """Invisible bands that name all values at the α under the pointer."""
    columns = ["loss", "accuracy"] if curves.has_accuracy else ["loss"]
    rows = []
    for alpha, at_alpha in curves.frame.groupby("alpha"):
        row = {"alpha": alpha}
        for index, name in enumerate(curves.data_names):
            values = at_alpha[at_alpha["data"] == name]
            for column in columns:
                row[f"{column}_{index}"] = _value_text(values[column], column)
        rows.append(row)
    frame = pd.DataFrame(rows)
    alphas = frame["alpha"].to_numpy()
    halves = (alphas[1:] + alphas[:-1]) / 2
    frame["left"] = np.r_[alphas[0], halves]
    frame["right"] = np.r_[halves, alphas[-1]]
    several = len(curves.data_names) > 1
    tooltip = [alt.Tooltip("alpha:Q", title="α", format=".3~f")]
    tooltip += [
        alt.Tooltip(
            f"{column}_{index}:N",
            title=f"{name} {column}" if several else column,
        )
        for column in columns
        for index, name in enumerate(curves.data_names)
    ]
    hover = alt.selection_point(
        name="hover",
        on="pointerover",
        clear="pointerout",
        fields=["alpha"],
        empty=False,
    )
    left = x.copy()
    left.shorthand = "left:Q"
    return (
        alt.Chart(inline_data(frame))
        .mark_rect(style="hover-band")
        .encode(
            x=left,
            x2="right:Q",
            opacity=alt.when(hover)
            .then(alt.value(0.15))
            .otherwise(alt.value(0)),
            tooltip=tooltip,
        )
        .add_params(hover)
    )


def _value_text(values: pd.Series, column: str) -> str:
    unit = " %" if column == "accuracy" else ""
    filled = values.fillna(np.inf) if column == "loss" else values
    text = number(
        float(values.iloc[0] if len(values) == 1 else filled.median()), 4
    )
    if len(values) > 1:
        text += (
            f" ({number(float(values.min()), 4)} to "
            f"{number(float(filled.max()), 4)})"
        )
    return text + unit
