"""What is drawn on top of a loss surface: models and trajectories."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness.charts._rows import inline_data
from keras_sharpness.charts._surface_rows import Cells
from keras_sharpness.charts._text import shorten

if TYPE_CHECKING:
    from keras_sharpness.landscape import ProjectedTrajectory

_STAR = (
    "M0,-1L0.235,-0.324L0.951,-0.309L0.38,0.124L0.588,0.809"
    "L0,0.4L-0.588,0.809L-0.38,0.124L-0.951,-0.309L-0.235,-0.324Z"
)
# Of the width: a name that begins beyond it ends left of its star.
_RIGHT = 0.7


def anchor_layers(
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
    at = {"x": at_field(x, "alpha:Q"), "y": at_field(y, "beta:Q")}
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


def trajectory_layers(
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
    at = {"x": at_field(x, "alpha:Q"), "y": at_field(y, "beta:Q")}
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


def at_field(encoding: alt.X | alt.Y, field: str) -> alt.X | alt.Y:
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
