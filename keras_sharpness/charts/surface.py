"""Loss or accuracy on a plane of the weight space."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import linear_axis
from keras_sharpness.charts._rows import inline_data
from keras_sharpness.charts._surface_cells import (
    Cells,
    axis_titles,
    description,
    nice_levels,
    notes,
    read_cells,
)
from keras_sharpness.charts._text import heading, loss_title, shorten
from keras_sharpness.charts.theme import themed

if TYPE_CHECKING:
    from keras_sharpness.landscape import LossSurface, ProjectedTrajectory

_SIZE, _SMALLEST = 480, 200
# Even steps of lightness, for colour-blind eyes and grey printers as well.
_SCHEME = "viridis"
_STAR = (
    "M0,-1L0.235,-0.324L0.951,-0.309L0.38,0.124L0.588,0.809"
    "L0,0.4L-0.588,0.809L-0.38,0.124L-0.951,-0.309L-0.235,-0.324Z"
)
# Of the width: a name that begins beyond it ends left of its star.
_RIGHT = 0.7


def surface_chart(
    surface: "LossSurface",
    *,
    data: str | None = None,
    value: Literal["loss", "accuracy"] = "loss",
    log: bool = False,
    trajectory: "ProjectedTrajectory | None" = None,
    names: Mapping[str, str] | None = None,
    levels: Sequence[float] | None = None,
    num_levels: int = 10,
    domain: tuple[float, float] | None = None,
    title: str | None = None,
) -> alt.LayerChart:
    """Loss or accuracy on a plane, as a heat map with contour lines.

    Stars mark the models on the plane; a white line with points is the
    trajectory, whose points have the colour of the checkpoints' true values.
    Of a surface that is not complete the finest complete grid is drawn.

    A click on a cell selects it: the selection is called `"cell"` and holds
    `alpha` and `beta`.

    Args:
        surface: `LossSurface`.
        data: Str. Which data set; the first one by default.
        value: Str. `"loss"` or `"accuracy"`, in percent.
        log: Bool. Whether the colours, and the contour lines with them, go by
            the logarithm.
        trajectory: `ProjectedTrajectory` on the same plane.
        names: Dict. What to call models, by the names that the plane has.
        levels: Values of the contour lines; round numbers by default.
        num_levels: Int. About how many contour lines; 0 for none.
        domain: Two floats. Where the colours begin and end, to share them
            between charts. By default all values, but a few that exploded.
        title: Str. By default it names data and value.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If there is nothing to draw, or options do not fit.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.charts import surface_chart
    from keras_sharpness.landscape import loss_surface

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    chart = surface_chart(loss_surface(objective, num_points=9))
    ```

    Reference:
        Li et al. 2018, https://arxiv.org/abs/1712.09913, Figures 1 and 9.
    """
    arguments.text("title", title, optional=True, empty=True)
    num_levels = arguments.integer("num_levels", num_levels, least=0)
    if levels is not None:
        levels = arguments.array("levels", levels, shape=(None,))
    names = {} if names is None else names
    arguments.instance("names", names, Mapping, "a dict from names to names")
    for name in names.values():
        arguments.text("names", name)
    arguments.results("surface", surface, "LossSurface", "`loss_surface(…)`")
    if trajectory is not None:
        arguments.results(
            "trajectory",
            trajectory,
            "ProjectedTrajectory",
            "`project_trajectory(…)`",
        )
    cells = read_cells(surface, data=data, value=value, log=log, domain=domain)
    settings = cells.surface.objectives.get(cells.data, {})
    what = "Accuracy (%)"
    if value == "loss":
        what = loss_title(settings.get("loss", ""))
    x, y = _axes(cells)
    layers = [_heat(cells, what, x, y)]
    if num_levels or levels is not None:
        chosen = (
            nice_levels(cells.axis, num_levels)
            if levels is None
            else np.sort(levels)
        )
        if log and np.any(chosen <= 0):
            raise ValueError(
                "`levels` must be positive with `log=True`. Received: "
                f"levels={levels!r}."
            )
        layers += _contours(cells, chosen, x, y)
    if trajectory is not None:
        layers += _trajectory_layers(cells, trajectory, x, y)
    layers += _anchor_layers(cells, names, x, y)
    plain = what.replace(" (%)", "")
    text = title or (
        plain if cells.data == "data" else f"{plain} on the {cells.data} data"
    )
    sentences = notes(cells, surface, trajectory)
    width, height = _size(cells)
    return themed(
        alt.layer(*layers).properties(
            width=width,
            height=height,
            title=heading(shorten(text, 120), sentences),
            description=description(cells, text, sentences),
        )
    )


def _size(cells: Cells) -> tuple[int, int]:
    """In pixels; equal steps look equal where both axes are distances."""
    lengths = np.asarray(cells.surface.plane["lengths"])
    spans = np.diff(cells.bounds, axis=1)[:, 0] * lengths
    width, height = np.maximum(_SMALLEST, _SIZE * spans / spans.max())
    return int(width), int(height)


def _axes(cells: Cells) -> tuple[alt.X, alt.Y]:
    encodings = []
    for kind, field, (low, high), title in zip(
        (alt.X, alt.Y),
        ("left:Q", "low:Q"),
        cells.bounds,
        axis_titles(cells.surface),
        strict=True,
    ):
        ticks = linear_axis(low, high, num_ticks=6).ticks
        encodings.append(
            kind(
                field,
                scale=alt.Scale(domain=[low, high], nice=False, zero=False),
                axis=alt.Axis(
                    title=title,
                    values=[tick for tick in ticks if low <= tick <= high],
                    format=".6~g",
                    grid=False,
                    domain=True,
                    ticks=True,
                ),
            )
        )
    return tuple(encodings)


def _color(cells: Cells, title: str) -> alt.Color:
    """The encoding of the colours, with their legend."""
    axis = cells.axis
    return alt.Color(
        "shown:Q",
        scale=alt.Scale(
            scheme=_SCHEME,
            type="log" if axis.log else "linear",
            domain=[axis.lower, axis.upper],
            nice=False,
            zero=alt.Undefined if axis.log else False,
            clamp=True,
        ),
        legend=alt.Legend(
            title=[title],
            orient="right",
            direction="vertical",
            gradientLength=min(_SIZE // 2, _size(cells)[1]),
            values=axis.ticks,
            format=".6~g",
            titleFontSize=12,
        ),
    )


def _heat(cells: Cells, title: str, x: alt.X, y: alt.Y) -> alt.Chart:
    frame = cells.frame()
    # A click reaches Python where the page asks for it; hovering does not.
    cell = alt.selection_point(
        name="cell", fields=["alpha", "beta"], on="click", empty=False
    )
    hover = alt.selection_point(
        name="hover",
        fields=["alpha", "beta"],
        on="pointerover",
        clear="pointerout",
        empty=False,
    )
    tooltip = [
        alt.Tooltip("alpha:Q", title="α", format=".4~g"),
        alt.Tooltip("beta:Q", title="β", format=".4~g"),
        alt.Tooltip("loss:Q", title="loss", format=".6~g"),
    ]
    if "accuracy" in frame:
        tooltip.append(
            alt.Tooltip("accuracy:Q", title="accuracy (%)", format=".4~g")
        )
    if cells.axis.log:
        title += ", log scale"
    drawn = frame[frame["shown"].notna()].copy()
    # Each cell reaches a pixel under the next one: between edges that fall
    # inside a pixel the background would shine through.
    pixels = np.diff(cells.bounds, axis=1)[:, 0] / _size(cells)
    drawn["right"] += pixels[0]
    drawn["high"] += pixels[1]
    return (
        alt.Chart(inline_data(drawn))
        .mark_rect(stroke="white", strokeWidth=0, clip=True)
        .encode(
            x=x,
            x2="right:Q",
            y=y,
            y2="high:Q",
            color=_color(cells, title),
            strokeWidth=alt.when(cell)
            .then(alt.value(2.5))
            .when(hover)
            .then(alt.value(1))
            .otherwise(alt.value(0)),
            tooltip=tooltip,
        )
        .add_params(cell, hover)
    )


def _contours(
    cells: Cells, levels: np.ndarray, x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    lines, labels = cells.contours(levels)
    if lines.empty:
        return []
    at = {"x": _at_field(x, "alpha:Q"), "y": _at_field(y, "beta:Q")}
    line = (
        alt.Chart(inline_data(lines))
        .mark_line(
            color="white", strokeWidth=0.8, opacity=0.7, clip=True, tooltip=None
        )
        .encode(detail="path:N", order="order:Q", **at)
    )
    named = pd.DataFrame(
        {**labels, "text": [f"{level:.4g}" for level in labels["level"]]}
    )
    texts = [
        alt.Chart(inline_data(named))
        .mark_text(fontSize=10, clip=True, **options)
        .encode(text="text:N", **at)
        for options in (
            # A dark rim: the colours below go from violet to yellow.
            {
                "color": "#1B1F24",
                "stroke": "#1B1F24",
                "strokeWidth": 2.5,
                "strokeJoin": "round",
            },
            {"color": "white"},
        )
    ]
    return [line, *texts]


def _anchor_layers(
    cells: Cells, names: Mapping[str, str], x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    """Stars with names where models lie on the plane.

    Args:
        cells: `Cells`.
        names: Dict from the plane's names to those that are shown.
        x: The encoding of α.
        y: The encoding of β.

    Returns:
        List of charts; empty where no model lies within the grid.
    """
    plane = cells.surface.plane
    anchors = np.reshape(plane["anchors"], (-1, 2))
    low, high = cells.bounds.T
    inside = np.all((anchors >= low) & (anchors <= high), axis=1)
    shown = [shorten(names.get(n, n), 24) for n in plane["names"]]
    if not inside.any():
        return []
    frame = pd.DataFrame(
        {
            "name": np.array(shown, dtype=object)[inside],
            "alpha": anchors[inside, 0],
            "beta": anchors[inside, 1],
        }
    )
    frame["right"] = (frame["alpha"] - low[0]) > _RIGHT * (high - low)[0]
    at = {"x": _at_field(x, "alpha:Q"), "y": _at_field(y, "beta:Q")}
    stars = (
        alt.Chart(inline_data(frame))
        .mark_point(
            shape=_STAR,
            size=220,
            filled=True,
            stroke="white",
            strokeWidth=1.2,
            opacity=1,
        )
        .encode(
            fill=alt.Fill("name:N", scale=alt.Scale(domain=shown), legend=None)
            if len(shown) > 1
            else alt.value("#E69F00"),
            tooltip=[
                alt.Tooltip("name:N", title="model"),
                alt.Tooltip("alpha:Q", title="α", format=".4~g"),
                alt.Tooltip("beta:Q", title="β", format=".4~g"),
            ],
            **at,
        )
    )
    texts = []
    for right, part in frame.groupby("right"):
        for style in ("halo-text", "note-text"):
            texts.append(
                alt.Chart(inline_data(part))
                .mark_text(
                    style=style,
                    align="right" if right else "left",
                    strokeJoin="round",
                    dx=-13 if right else 13,
                    baseline="middle",
                )
                .encode(text="name:N", **at)
            )
    return [stars, *texts]


def _trajectory_layers(
    cells: Cells, trajectory: "ProjectedTrajectory", x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    """The way of a training, with each checkpoint's own value.

    Args:
        cells: `Cells`.
        trajectory: `ProjectedTrajectory` on the same plane.
        x: The encoding of α.
        y: The encoding of β.

    Returns:
        List of charts.

    Raises:
        ValueError: If it does not have the data set that is drawn.
    """
    frame = trajectory.to_frame()
    frame = frame[frame["data"] == cells.data]
    if frame.empty:
        raise ValueError(
            f"`trajectory` has no data set {cells.data!r}. Received: "
            f"{', '.join(map(repr, trajectory.losses))}. Project it with the "
            "objectives of the surface."
        )
    frame["accuracy"] = 100.0 * frame["accuracy"]
    frame["shown"] = cells.shown(frame[cells.value])
    at = {"x": _at_field(x, "alpha:Q"), "y": _at_field(y, "beta:Q")}
    base = alt.Chart(inline_data(frame)).encode(**at)
    lines = [
        base.mark_line(clip=True, **options).encode(order="step:Q")
        for options in (
            {"color": "#1B1F24", "strokeWidth": 3.5, "opacity": 0.6},
            {"color": "white", "strokeWidth": 1.8},
        )
    ]
    tooltip = [
        alt.Tooltip("step:Q", title="step"),
        alt.Tooltip("loss:Q", title="loss of the checkpoint", format=".4~g"),
        alt.Tooltip("plane_loss:Q", title="loss on the plane", format=".4~g"),
        alt.Tooltip(
            "distance:Q", title="distance from the plane", format=".4~g"
        ),
    ]
    if frame["accuracy"].notna().any():
        tooltip.append(
            alt.Tooltip("accuracy:Q", title="accuracy (%)", format=".4~g")
        )
    points = base.mark_point(
        filled=True,
        size=48,
        stroke="white",
        strokeWidth=1.2,
        opacity=1,
        clip=True,
    ).encode(color=alt.Color("shown:Q"), tooltip=tooltip)
    return [*lines, points]


def _at_field(encoding: alt.X | alt.Y, field: str) -> alt.X | alt.Y:
    """The same axis for another column.

    Args:
        encoding: The encoding of an axis.
        field: Str. Name and type of the column, e.g. `"alpha:Q"`.

    Returns:
        A copy of the encoding.
    """
    copy = encoding.copy()
    copy.shorthand = field
    return copy
