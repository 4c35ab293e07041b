"""A chart with what belongs to it: explanation, downloads and Python."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from work.recipes import Recipe, zip_bytes

from keras_sharpness.charts import themed, to_csv, to_png, to_svg
from views.text import PAGE_WIDTH


def show_figure(
    chart: alt.TopLevelMixin,
    rows: pd.DataFrame,
    *,
    name: str,
    about: str,
    widest: int = PAGE_WIDTH,
    recipe: Recipe | None = None,
    colors: list[int] | None = None,
    selection: Sequence[str] = (),
    told: Callable[[dict[str, Any]], None] | None = None,
    stretch: bool = True,
) -> None:
    """Shows a chart in the look of the page, with everything to take away.

    Args:
        chart: Altair chart.
        rows: DataFrame, what the chart is drawn from.
        name: Str. Name of the files, and key of the chart.
        about: Str. Markdown that explains what to look at.
        widest: Int. Pixels that a single plot takes at the most; several side
            by side have sizes of their own.
        recipe: `Recipe`, what made it, for Python and the archive.
        colors: List of int. The places of the colours of what is drawn, the
            first ones by default.
        selection: Sequence of str. Names of the selection parameters that
            Python is told of.
        told: Callable that is, and shows below the chart what it makes of a
            dict from the names to what is selected.
        stretch: Bool. Whether a single plot becomes as wide as the page.
    """
    is_dark = st.context.theme.type == "dark"
    chart = recolored(themed(chart, "dark" if is_dark else "light"), colors)
    with st.container(width=widest):
        # Only a single plot can follow the width of the window.
        is_single = stretch and isinstance(chart, alt.LayerChart | alt.Chart)
        event = st.altair_chart(
            chart.properties(
                autosize=alt.AutoSizeParams(
                    type="fit-x" if is_single else "pad", contains="padding"
                )
            ),
            width="stretch" if is_single else "content",
            # Streamlit's theme would replace ours, and files have only ours.
            theme=None,
            key=name,
            on_select="rerun" if selection else "ignore",
            **({"selection_mode": list(selection)} if selection else {}),
        )
    if told is not None:
        told(event.selection)
    with st.container(horizontal=True, vertical_alignment="center"):
        download("SVG", lambda: to_svg(chart), f"{name}.svg", "image/svg+xml")
        download("PNG", lambda: to_png(chart), f"{name}.png", "image/png")
        download("CSV", lambda: to_csv(rows), f"{name}.csv", "text/csv")
        if recipe is not None:
            address = dict(st.query_params)
            download(
                "Everything (ZIP)",
                lambda: zip_bytes(chart, rows, recipe, address),
                f"{name}.zip",
                "application/zip",
            )
    if recipe is not None:
        show_code(recipe.code)
    with st.expander("What am I looking at?", width=PAGE_WIDTH):
        st.markdown(about)


def show_code(code: str) -> None:
    """The lines that make the same with the package, to copy."""
    with st.expander("Copy as Python", width=PAGE_WIDTH):
        st.code(code, language="python")


def recolored(
    chart: alt.TopLevelMixin, colors: list[int] | None
) -> alt.TopLevelMixin:
    """The chart with the colours of given places before all others."""
    if colors is None:
        return chart
    config = chart.config.to_dict()
    palette = config["range"]["category"]
    first = [palette[place % len(palette)] for place in colors]
    rest = [color for color in palette if color not in first]
    config["range"]["category"] = first + rest
    copy = chart.copy(deep=False)
    copy.config = alt.Config.from_dict(config)
    return copy


def download(
    label: str, data: Callable[[], Any], file_name: str, mime: str
) -> None:
    """A button that makes a file when it is pressed.

    Args:
        label: Str.
        data: Callable that returns str or bytes.
        file_name: Str.
        mime: Str.
    """
    st.download_button(
        label,
        data,
        re.sub(r"[^\w.-]+", "-", file_name),
        mime,
        key=f"download-{file_name}",
        on_click="ignore",
        icon=":material/download:",
        type="tertiary",
    )
