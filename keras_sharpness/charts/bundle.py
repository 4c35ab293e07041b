"""Loss along several directions through a minimum."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import Axis, beyond, linear_axis, loss_axis
from keras_sharpness.charts._rows import inline_data
from keras_sharpness.charts._text import (
    heading,
    loss_title,
    shorten,
    span,
)
from keras_sharpness.charts.theme import themed

if TYPE_CHECKING:
    from keras_sharpness.landscape import DirectionBundle

_WIDTH, _HEIGHT = 560, 340
_PANEL_WIDTH, _PANEL_HEIGHT, _COLUMNS = 220, 180, 3
# The theme's categorical colours.
_MOST_MODELS = 6


def bundle_chart(
    bundle: "DirectionBundle | Mapping[str, DirectionBundle]",
    *,
    data: str | None = None,
    log: bool = False,
    title: str | None = None,
) -> alt.TopLevelMixin:
    """Loss along several directions, one thin line each, and their median.

    Directions that move one layer only have a panel per layer, all with the
    same axes. Several minima, each with a bundle of its own, are told apart by
    colour.

    Args:
        bundle: `DirectionBundle`, or a dict of up to six by the model's name.
        data: Str. Which data set; the first one by default.
        log: Bool. Whether the axis of the loss is logarithmic.
        title: Str. By default it names data and value.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If there is nothing to draw, or the bundles do not fit
            together.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.charts import bundle_chart
    from keras_sharpness.landscape import direction_bundle

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    chart = bundle_chart(direction_bundle(objective, num_directions=3))
    ```
    """
    arguments.text("title", title, optional=True, empty=True)
    runs = _runs(bundle)
    first = next(iter(runs.values()))
    data = next(iter(first.losses)) if data is None else data
    frame = _frame(runs, data)
    axis = loss_axis(frame["loss"], log=log)
    settings = first.objectives.get(data, {})
    y_title = loss_title(settings.get("loss", "")) + (
        " (log scale)" if log else ""
    )
    groups = list(dict.fromkeys(frame["group"]))
    several = len(runs) > 1
    panels = [
        _panel(
            frame[frame["group"] == group],
            axis,
            y_title if index % _COLUMNS == 0 else "",
            _x_title(frame[frame["group"] == group], first),
            list(runs) if several else None,
        ).properties(
            width=_WIDTH if len(groups) == 1 else _PANEL_WIDTH,
            height=_HEIGHT if len(groups) == 1 else _PANEL_HEIGHT,
            **({} if len(groups) == 1 else {"title": _panel_title(group)}),
        )
        for index, group in enumerate(groups)
    ]
    text = title or (
        "Loss along random directions"
        + ("" if data == "data" else f", {data} data")
    )
    notes = _notes(runs, frame, data, axis)
    chart = (
        panels[0]
        if len(panels) == 1
        else alt.concat(*panels, columns=_COLUMNS, spacing=20)
    )
    return themed(
        chart.properties(
            title=heading(text, notes),
            description=_description(text, frame, notes),
        )
    )


def _runs(
    bundle: "DirectionBundle | Mapping[str, DirectionBundle]",
) -> "dict[str, DirectionBundle]":
    runs = arguments.results(
        "bundle", bundle, "DirectionBundle", "`ks.direction_bundle(…)`"
    )
    if len(runs) > _MOST_MODELS:
        raise ValueError(
            f"`bundle` must hold one to {_MOST_MODELS} bundles. Received: "
            f"{len(runs)}. Draw several charts."
        )
    return {shorten(name): run for name, run in runs.items()}


def _frame(runs: "dict[str, DirectionBundle]", data: str) -> pd.DataFrame:
    frames = []
    for name, run in runs.items():
        arguments.one_of("data", data, run.losses)
        rows = run.to_frame()
        frames.append(rows[rows["data"] == data].assign(model=name))
    frame = pd.concat(frames, ignore_index=True)
    if frame.empty:
        raise ValueError(
            "`bundle` has no evaluated point. Let `direction_bundle` go on."
        )
    frame["accuracy"] = 100.0 * frame["accuracy"]
    frame["line"] = frame["model"] + " " + frame["direction"].astype(str)
    return frame


def _x_title(rows: pd.DataFrame, first: "DirectionBundle") -> str:
    mode = first.made.get("normalization", "none")
    what = "random" if mode == "none" else f"{mode}-normalised random"
    if rows["group"].nunique() == 1 and len(set(first.groups)) > 1:
        return f"α  (L2 length {span(rows['length'].unique())})"
    return (
        f"α  ({what} directions of L2 length {span(rows['length'].unique())})"
    )


def _panel_title(group: str) -> alt.TitleParams:
    return alt.TitleParams(shorten(group), fontSize=13, frame="group", offset=6)


def _panel(
    rows: pd.DataFrame,
    axis: Axis,
    y_title: str,
    x_title: str,
    models: list[str] | None,
) -> alt.LayerChart:
    low, high = float(rows["alpha"].min()), float(rows["alpha"].max())
    if not high > low:
        low, high = low - 0.5, high + 0.5
    ticks = linear_axis(low, high, num_ticks=4).ticks
    x = alt.X(
        "alpha:Q",
        scale=alt.Scale(domain=[low, high], nice=False, zero=False),
        axis=alt.Axis(
            title=x_title,
            values=[tick for tick in ticks if low <= tick <= high],
            format=".6~g",
        ),
    )
    y = alt.Y("shown:Q", scale=axis.scale, axis=axis.axis(y_title))
    # What is not a number is higher than all, as far as a median goes.
    filled = rows.assign(loss=rows["loss"].fillna(math.inf))
    middle = (
        filled.groupby(["model", "alpha"], sort=False)["loss"]
        .median()
        .reset_index()
    )
    layers = []
    if low < 0.0 < high:
        layers.append(
            alt.Chart(inline_data(pd.DataFrame({"alpha": [0.0]})))
            .mark_rule(style="reference-line")
            .encode(x=x)
        )
    for table, detail, options in (
        (rows, "line:N", {"strokeWidth": 1, "opacity": 0.4}),
        (middle, "model:N", {"strokeWidth": 2.8}),
    ):
        style = {} if models else {"style": "loss-line"}
        line = (
            alt.Chart(
                inline_data(table.assign(shown=axis.shown(table["loss"])))
            )
            .mark_line(clip=True, **style, **options)
            .encode(x=x, y=y, detail=detail, order="alpha:Q")
        )
        if models:
            line = line.encode(
                color=alt.Color(
                    "model:N",
                    scale=alt.Scale(domain=models),
                    legend=alt.Legend(
                        title=None,
                        symbolType="stroke",
                        symbolOpacity=1,
                        symbolSize=700,
                    ),
                )
            )
        layers.append(line)
    return alt.layer(*layers, _hover(rows, axis, x, y, named=bool(models)))


def _hover(
    rows: pd.DataFrame, axis: Axis, x: alt.X, y: alt.Y, *, named: bool
) -> alt.Chart:
    tooltip = [
        alt.Tooltip("direction:N", title="direction"),
        alt.Tooltip("alpha:Q", title="α", format=".4~g"),
        alt.Tooltip("loss:Q", title="loss", format=".6~g"),
    ]
    if named:
        tooltip.insert(0, alt.Tooltip("model:N", title="model"))
    if rows["accuracy"].notna().any():
        tooltip.append(
            alt.Tooltip("accuracy:Q", title="accuracy (%)", format=".4~g")
        )
    return (
        alt.Chart(inline_data(rows.assign(shown=axis.shown(rows["loss"]))))
        .mark_point(opacity=0, size=60, clip=True)
        .encode(x=x, y=y, tooltip=tooltip)
    )


def _notes(
    runs: "dict[str, DirectionBundle]",
    frame: pd.DataFrame,
    data: str,
    axis: Axis,
) -> list[str]:
    first = next(iter(runs.values()))
    counts = frame.groupby(["model", "group"])["direction"].nunique()
    each = " each" if len(counts) > 1 else ""
    sentences = [
        f"Thin lines: {span(counts)} directions{each}; thick line: their "
        "median."
    ]
    samples = first.objectives.get(data, {}).get("num_samples")
    if samples:
        name = "" if data == "data" else f" {data}"
        sentences.append(f"Means over {samples:,}{name} samples.")
    missing = sum(int((~run.finished).sum()) for run in runs.values())
    if missing:
        total = sum(run.finished.size for run in runs.values())
        sentences.append(f"Not complete: {missing} of {total} points missing.")
    return [*sentences, beyond(frame["loss"], axis)]


def _description(title: str, frame: pd.DataFrame, notes: list[str]) -> str:
    ends = frame["alpha"].isin([frame["alpha"].min(), frame["alpha"].max()])
    parts = []
    for (model, group), rows in frame[ends].groupby(
        ["model", "group"], sort=False
    ):
        name = ", ".join(part for part in (model, group) if part)
        losses = rows["loss"].min(), rows["loss"].max()
        parts.append(f"{name}: at the ends the loss is {span(losses)}.")
    return " ".join(
        [
            f"Line chart. {title}, α from {frame['alpha'].min():g} to "
            f"{frame['alpha'].max():g}.",
            *parts,
            *[note for note in notes if note],
        ]
    )
