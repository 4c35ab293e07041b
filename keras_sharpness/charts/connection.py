"""Loss on a curve between two minima, beside the straight line."""

from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import Axis, beyond, linear_axis, loss_axis
from keras_sharpness.charts._rows import inline_data
from keras_sharpness.charts._text import heading, loss_title, number, shorten
from keras_sharpness.charts.theme import themed

if TYPE_CHECKING:
    from keras_sharpness.landscape import Connection

_WIDTH, _HEIGHT = 420, 320
_DASHES = [[1, 0], [6, 4], [2, 3], [9, 3, 2, 3]]
_PATHS = {
    "line": "straight line",
    "bezier": "Bézier curve",
    "polygon": "polygonal chain",
}


def connection_chart(
    connection: "Connection",
    *,
    start_name: str = "start",
    end_name: str = "end",
    log: bool = False,
    title: str | None = None,
) -> alt.TopLevelMixin:
    """Loss and accuracy along a curve between two minima and on the line.

    The straight line is the thin grey one. The first data set is solid, the
    others are dashed.

    Args:
        connection: `Connection`.
        start_name: Str. What stands at t = 0.
        end_name: Str. What stands at t = 1.
        log: Bool. Whether the axis of the loss is logarithmic.
        title: Str. By default it names the two ends.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If no loss is finite, or none positive with `log=True`.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.charts import connection_chart
    from keras_sharpness.landscape import connect_minima

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    way = connect_minima(
        objective, np.zeros(4), np.ones(4), num_steps=5, num_points=11
    )
    chart = connection_chart(way, start_name="zero", end_name="one")
    ```

    Reference:
        Garipov et al. 2018, https://arxiv.org/abs/1802.10026, Figures 1 and 2.
    """
    arguments.text("title", title, optional=True, empty=True)
    arguments.text("start_name", start_name)
    arguments.text("end_name", end_name)
    arguments.results(
        "connection", connection, "Connection", "`ks.connect_minima(…)`"
    )
    start, end = shorten(start_name), shorten(end_name)
    frame = connection.to_frame()
    frame["accuracy"] = 100.0 * frame["accuracy"]
    axis = loss_axis(frame["loss"], log=log)
    settings = next(iter(connection.objectives.values()), {})
    y_title = loss_title(settings.get("loss", ""))
    x_title = f"t  (0 = {start}, 1 = {end})"
    panels = [
        _panel(
            frame,
            "loss",
            axis,
            y_title + (" (log scale)" if log else ""),
            x_title,
        )
    ]
    if frame["accuracy"].notna().any():
        lowest = min(float(frame["accuracy"].min()), 99.0)
        panels.append(
            _panel(
                frame,
                "accuracy",
                linear_axis(lowest, 100.0),
                "Accuracy (%)",
                x_title,
            )
        )
    text = title or f"A {_PATHS[connection.curve]} from {start} to {end}"
    notes = _notes(connection, frame, axis)
    return themed(
        alt.hconcat(*panels, spacing=28).properties(
            title=heading(text, notes),
            description=_description(text, connection, notes),
        )
    )


def _panel(
    frame: pd.DataFrame, column: str, axis: Axis, title: str, x_title: str
) -> alt.LayerChart:
    names = list(dict.fromkeys(frame["data"]))
    x = alt.X(
        "t:Q",
        scale=alt.Scale(domain=[0.0, 1.0], nice=False),
        axis=alt.Axis(
            title=x_title, values=[0, 0.25, 0.5, 0.75, 1], format=".2~f"
        ),
    )
    y = alt.Y("shown:Q", scale=axis.scale, axis=axis.axis(title))
    dash = alt.StrokeDash(
        "data:N",
        scale=alt.Scale(domain=names, range=_DASHES[: len(names)]),
        legend=alt.Legend(title=None, symbolType="stroke", symbolSize=700)
        if len(names) > 1
        else None,
    )
    frame = frame.assign(
        shown=axis.shown(frame[column]), what=frame["path"].map(_PATHS)
    )
    layers = []
    for path, options in (
        ("line", {"style": "reference-line", "strokeWidth": 1.8}),
        ("curve", {"style": "loss-line", "strokeWidth": 2.4}),
    ):
        rows = frame[(frame["path"] == "line") == (path == "line")]
        layers.append(
            alt.Chart(inline_data(rows))
            .mark_line(clip=True, **options)
            .encode(x=x, y=y, strokeDash=dash, order="t:Q")
        )
    labels = _labels(frame[frame["data"] == names[0]], axis)
    layers += [
        alt.Chart(inline_data(labels))
        .mark_text(
            style=style,
            strokeJoin="round",
            dy=-10 if column == "loss" else 12,
        )
        .encode(x=x, y=y, text="what:N")
        for style in ("halo-text", "note-text")
    ]
    tooltip = [
        alt.Tooltip("what:N", title="path"),
        alt.Tooltip("data:N", title="data"),
        alt.Tooltip("t:Q", title="t", format=".3~f"),
        alt.Tooltip("loss:Q", title="loss", format=".6~g"),
    ]
    if frame["accuracy"].notna().any():
        tooltip.append(
            alt.Tooltip("accuracy:Q", title="accuracy (%)", format=".4~g")
        )
    # Unseen, but they answer to the pointer.
    points = (
        alt.Chart(inline_data(frame))
        .mark_point(opacity=0, size=60, clip=True)
        .encode(x=x, y=y, tooltip=tooltip)
    )
    return alt.layer(*layers, points).properties(width=_WIDTH, height=_HEIGHT)


def _labels(rows: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """The name of each path, where the two lie farthest apart."""
    shown = rows.pivot_table(
        index="t", columns="what", values="shown", dropna=False
    )
    middle = shown[(shown.index > 0.2) & (shown.index < 0.8)]
    middle = middle if len(middle) else shown
    heights = np.log(middle) if axis.log else middle
    gap = (heights.iloc[:, 0] - heights.iloc[:, 1]).abs().fillna(0.0)
    t = gap.idxmax()
    labels = pd.DataFrame(
        {"t": t, "what": shown.columns, "shown": shown.loc[t].to_numpy()}
    )
    inside = labels["shown"].clip(axis.lower, axis.upper)
    return labels.assign(shown=inside)


def _notes(
    connection: "Connection", frame: pd.DataFrame, axis: Axis
) -> list[str]:
    several = len(connection.losses) > 1
    parts = [
        (f"{name} " if several else "")
        + f"{number(connection.line_barriers[name])} on the straight line, "
        f"{number(connection.barriers[name])} on the "
        f"{_PATHS[connection.curve]}"
        for name in connection.losses
    ]
    sentences = [
        f"Loss barrier: {'; '.join(parts)}.",
        f"The {_PATHS[connection.curve]} is "
        f"{number(connection.curve_length / connection.distance)} times as "
        "long as the straight line.",
    ]
    if len(connection.history) < connection.num_steps:
        sentences.append(
            f"Stopped after {len(connection.history)} of "
            f"{connection.num_steps} steps."
        )
    return [*sentences, beyond(frame["loss"], axis)]


def _description(title: str, connection: "Connection", notes: list[str]) -> str:
    parts = [
        f"{name}: loss {number(float(loss[0]))} at t = 0, at most "
        f"{number(float(np.nanmax(loss)))} on the curve and "
        f"{number(float(np.nanmax(connection.line_losses[name])))} on the "
        f"straight line, {number(float(loss[-1]))} at t = 1."
        for name, loss in connection.losses.items()
    ]
    return " ".join(
        [f"Line charts. {title}.", *parts, *[note for note in notes if note]]
    )
