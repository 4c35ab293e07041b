"""A scatter of runs in which a box chooses some of them."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from keras_sharpness.charts.sharpness import success_column

_PANEL = ["epsilon", "space"]


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
