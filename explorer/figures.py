"""Charts of the package with what the pages add to them."""

import json
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from keras_sharpness.charts.sharpness import success_column

_PANEL = ["epsilon", "space"]
_BAND = "hover-band"
# Of α, which is a decimal fraction in binary.
_ROUNDING = 1e-9


def brushed(chart: alt.ConcatChart) -> tuple[alt.ConcatChart, list[str]]:
    """The chart with a brush in every panel, and the names of the brushes.

    Args:
        chart: Altair chart of `sharpness_chart`.

    Returns:
        Another chart, and a list of str.
    """
    names, panels = [], []
    for number, panel in enumerate(chart.concat):
        name = f"brush_{number}"
        names.append(name)
        brush = alt.selection_interval(name=name, encodings=["x", "y"])
        panels.append(panel.copy().add_params(brush))
    copy = chart.copy(deep=False)
    copy.concat = panels
    return copy, names


def inside(
    frame: pd.DataFrame, selection: Mapping[str, Any], names: list[str]
) -> pd.DataFrame:
    """The rows of the table that lie in a box of their panel.

    Args:
        frame: DataFrame, as the chart was drawn from.
        selection: Mapping from the name of a brush to its box: x in percent
            of sharpness, y in percent of test accuracy, or in test loss.
        names: List of str, the brushes in the order of the panels.

    Returns:
        A DataFrame, empty without any box.
    """
    chosen = []
    groups = frame.groupby(_PANEL, sort=False)
    for name, (_, rows) in zip(names, groups, strict=True):
        box = selection.get(name) or {}
        if {"x", "y"} <= box.keys():
            is_inside = rows["sharpness"].between(*sorted(box["x"]))
            column = success_column(frame)
            factor = 100 if column == "test_accuracy" else 1
            height = factor * rows[column]
            chosen.append(rows[is_inside & height.between(*sorted(box["y"]))])
    return pd.concat(chosen) if chosen else frame.iloc[:0]


def with_ends(chart: alt.LayerChart, start: str, end: str) -> alt.LayerChart:
    """The chart with the names of its ends in the tooltips.

    Args:
        chart: Altair chart of `interpolation_chart`.
        start: Str. The minimum at α = 0.
        end: Str. The minimum at α = 1.

    Returns:
        Another chart.
    """
    words = {
        f"abs(datum.alpha) < {_ROUNDING}": start,
        f"abs(datum.alpha - 1) < {_ROUNDING}": end,
        "datum.alpha < 0": f"beyond {start}",
        "datum.alpha > 1": f"beyond {end}",
    }
    place = json.dumps(f"between {start} and {end}")
    for condition, text in reversed(words.items()):
        place = f"{condition} ? {json.dumps(text)} : {place}"
    copy = chart.copy(deep=False)
    copy.layer = [
        _told(layer, place) if _is_band(layer) else layer
        for layer in chart.layer
    ]
    return copy


def _is_band(layer: alt.Chart | alt.LayerChart) -> bool:
    mark = getattr(layer, "mark", None)
    return isinstance(mark, alt.MarkDef) and mark.style == _BAND


def _told(layer: alt.Chart, place: str) -> alt.Chart:
    tooltip = alt.Tooltip("place:N", title="where")
    copy = layer.transform_calculate(place=place)
    return copy.encode(tooltip=[tooltip, *layer.encoding.tooltip])
