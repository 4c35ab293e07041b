"""Loss and accuracy along a path between two minima."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import Axis, linear_axis
from keras_sharpness.charts._interpolation_curves import (
    Curves,
    description,
    notes,
    read_curves,
)
from keras_sharpness.charts._rows import inline_data
from keras_sharpness.charts._text import heading, loss_title, number, shorten
from keras_sharpness.charts.theme import themed

if TYPE_CHECKING:
    from keras_sharpness.landscape import Interpolation

_DASHES = [[1, 0], [6, 4], [2, 3], [9, 3, 2, 3]]
_WIDTH, _HEIGHT = 560, 340
_LETTER = 7  # pixels, of the names of the minima
# Of the axis, beyond a minimum: less could not hold a name.
_ROOM_FOR_NAME = 0.2
# Of the axis: a shorter bracket could not be told from the line.
_SHORTEST_BRACKET = 0.06


def interpolation_chart(
    interpolation: "Interpolation | Mapping[str, Interpolation]",
    *,
    start_name: str = "start",
    end_name: str = "end",
    title: str | None = None,
    log_loss: bool = False,
) -> alt.LayerChart:
    """Loss and accuracy along the path between two minima.

    The loss stands on the left axis, the accuracy in percent on the right one;
    the first data set is solid, the others are dashed. A few losses that
    exploded are cut off where they would flatten everything else; the subtitle
    then says how many. Several interpolations, e.g. one per seed, become thin
    lines with their median.

    Args:
        interpolation: `Interpolation`, or a dict of them by name.
        start_name: Str. What stands at α = 0.
        end_name: Str. What stands at α = 1.
        title: Str. By default it names the two ends.
        log_loss: Bool. Whether the axis of the loss is logarithmic.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If there is nothing to draw, or if several interpolations
            differ in path, data sets or loss.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.charts import interpolation_chart

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    line = ks.interpolate(
        objective, np.zeros(4), model, alphas=np.linspace(-1, 2, 4)
    )
    chart = interpolation_chart(line, start_name="zero", end_name="model")
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Figures 3 and 7.
    """
    arguments.text("title", title, optional=True, empty=True)
    arguments.text("start_name", start_name)
    arguments.text("end_name", end_name)
    arguments.boolean("log_loss", log_loss)
    curves = read_curves(interpolation)
    start, end = shorten(start_name), shorten(end_name)
    loss_axis = curves.loss_axis(log_loss)
    x = _alpha_axis(curves, start, end)
    layers = [_loss(curves, loss_axis, x)]
    if curves.has_accuracy:
        layers.append(_accuracy(curves, loss_axis, x))
    layers = [*_minima(curves, x, start, end), *layers, _hover_bands(curves, x)]
    what = "Loss and accuracy" if curves.has_accuracy else "Loss"
    text = title or f"{what} from {start} to {end}"
    sentences = notes(curves, loss_axis)
    chart = (
        alt.layer(*layers)
        .resolve_scale(y="independent")
        .properties(
            width=_WIDTH,
            height=_HEIGHT,
            title=heading(text, sentences),
            description=description(curves, text, start, end, sentences),
        )
    )
    return themed(chart)


def _alpha_axis(curves: Curves, start: str, end: str) -> alt.X:
    alphas = curves.frame["alpha"]
    title = [f"α  (0 = {start}, 1 = {end}; L2 distance {curves.distance})"]
    if curves.path != "linear":
        title.append(f"{curves.path} path: cos(απ/2) start + sin(απ/2) end")
    low, high = float(alphas.min()), float(alphas.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    ticks = linear_axis(low, high, num_ticks=6).ticks
    return alt.X(
        "alpha:Q",
        scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        axis=alt.Axis(
            title=title,
            values=[tick for tick in ticks if low <= tick <= high],
            format=".6~g",
        ),
    )


def _minima(curves: Curves, x: alt.X, start: str, end: str) -> list[alt.Chart]:
    """Vertical rules at the ends of the path, with their names on top."""
    low = float(curves.frame["alpha"].min())
    high = float(curves.frame["alpha"].max())
    layers = []
    for alpha, name, outside in (
        (0.0, start, -low),
        (1.0, end, high - 1.0),
    ):
        if not low <= alpha <= high:
            continue
        # Away from the other name, unless the plot ends there.
        outward = outside > _ROOM_FOR_NAME * (high - low)
        share = outside / (high - low) if outward else 0.5
        text = shorten(name, int(share * _WIDTH / _LETTER))
        right = outward == (alpha == 0.0)
        rows = pd.DataFrame({"alpha": [alpha], "name": [text]})
        base = alt.Chart(inline_data(rows)).encode(x=x)
        layers += [
            base.mark_rule(style="reference-line").encode(
                y=alt.value(-18), y2=alt.value("height")
            ),
            base.mark_text(
                style="reference-text",
                baseline="bottom",
                align="right" if right else "left",
                dx=-6 if right else 6,
            ).encode(y=alt.value(-5), text="name:N"),
        ]
    return layers


def _loss(curves: Curves, axis: Axis, x: alt.X) -> alt.LayerChart:
    title = loss_title(curves.loss_name)
    if axis.log:
        title += " (log scale)"
    y = alt.Y(
        "shown:Q",
        scale=axis.scale,
        axis=axis.axis(title, style="loss-axis", orient="left"),
    )
    layers = _lines(curves, "loss", axis, x, y)
    drawn = curves.frame if curves.middle is None else curves.middle
    for rows, shape, edge in (
        (drawn[drawn["loss"] > axis.upper], "triangle-up", axis.upper),
        (
            drawn[drawn["loss"] <= 0] if axis.log else drawn[:0],
            "triangle-down",
            axis.lower,
        ),
    ):
        if len(rows):
            layers.append(
                alt.Chart(inline_data(rows.assign(shown=edge)))
                .mark_point(
                    style="loss-point",
                    shape=shape,
                    size=36,
                    filled=True,
                    # Inside the frame, clear of the numbers beside it.
                    yOffset=6 if shape == "triangle-up" else -6,
                )
                .encode(x=x, y=y)
            )
    bracket = curves.barrier_bracket()
    if len(bracket) and not axis.log:
        height = float((bracket["high"] - bracket["low"]).iloc[0])
        visible = bracket["high"].iloc[0] <= axis.upper
        if visible and height >= _SHORTEST_BRACKET * (axis.upper - axis.lower):
            layers.extend(_bracket(bracket, x, y))
    return alt.layer(*layers)


def _bracket(bracket: pd.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    rows = bracket.assign(
        shown=bracket["low"], middle=(bracket["low"] + bracket["high"]) / 2
    )
    base = alt.Chart(inline_data(rows)).encode(x=x)
    text = base.encode(y=alt.Y("middle:Q"), text="text:N")
    # The curve falls fastest towards the nearer end.
    late = bracket["alpha"].iloc[0] > 0.5
    place = {"align": "right" if late else "left", "dx": -8 if late else 8}
    return [
        base.mark_rule(style="loss-line", strokeWidth=4, opacity=0.35).encode(
            y=y, y2="high:Q"
        ),
        text.mark_text(style="halo-text", **place),
        text.mark_text(style="note-text", **place),
    ]


def _accuracy(curves: Curves, loss_axis: Axis, x: alt.X) -> alt.LayerChart:
    # Four or five steps, whichever shares the grid lines of the loss.
    axis = linear_axis(0.0, 100.0)
    if len(loss_axis.ticks) == 5 and not loss_axis.log:
        axis = dataclasses.replace(axis, ticks=[0.0, 25.0, 50.0, 75.0, 100.0])
    y = alt.Y(
        "shown:Q",
        scale=axis.scale,
        axis=axis.axis(
            "Accuracy (%)", style="accuracy-axis", orient="right", grid=False
        ),
    )
    return alt.layer(*_lines(curves, "accuracy", axis, x, y))


def _lines(
    curves: Curves, column: str, axis: Axis, x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    several = len(curves.data_names) > 1
    dashes = (_DASHES * len(curves.data_names))[: len(curves.data_names)]
    dash = alt.StrokeDash(
        "data:N",
        scale=alt.Scale(domain=curves.data_names, range=dashes),
        legend=alt.Legend(
            title=None,
            symbolType="stroke",
            symbolSize=700,
            symbolOpacity=1,
            symbolStrokeWidth=2,
        )
        if several
        else None,
    )
    layers = []
    for frame, options in (
        (curves.frame, {"strokeWidth": 1, "opacity": 0.4}),
        (curves.middle, {"strokeWidth": 2.5}),
    ):
        if frame is None or (frame is curves.frame and len(curves.runs) == 1):
            continue
        chart = (
            alt.Chart(
                inline_data(frame.assign(shown=axis.shown(frame[column])))
            )
            .mark_line(style=f"{column}-line", clip=True, **options)
            .encode(x=x, y=y, strokeDash=dash, order="alpha:Q")
        )
        if "run" in frame:
            chart = chart.encode(detail="run:N")
        layers.append(chart)
    return layers


def _hover_bands(curves: Curves, x: alt.X) -> alt.Chart:
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
