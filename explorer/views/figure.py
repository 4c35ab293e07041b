"""A chart with what belongs to it: explanation and downloads."""

import re

import altair as alt
import pandas as pd
import streamlit as st

from keras_sharpness.charts import themed, to_csv, to_png, to_svg
from views.text import PAGE_WIDTH


def show_figure(
    chart: alt.TopLevelMixin,
    rows: pd.DataFrame,
    *,
    name: str,
    about: str,
    widest: int = PAGE_WIDTH,
) -> None:
    """Shows a chart in the look of the page, with SVG, PNG and CSV.

    Args:
        chart: Altair chart.
        rows: DataFrame, what the chart is drawn from.
        name: Str. Name of the files, and key of the chart.
        about: Str. Markdown that explains what to look at.
        widest: Int. Pixels that a single plot takes at the most; several side
            by side have sizes of their own.
    """
    is_dark = st.context.theme.type == "dark"
    chart = themed(chart, "dark" if is_dark else "light")
    with st.container(width=widest):
        # Only a single plot can follow the width of the window.
        is_single = isinstance(chart, alt.LayerChart)
        st.altair_chart(
            chart.properties(
                autosize=alt.AutoSizeParams(
                    type="fit-x" if is_single else "pad", contains="padding"
                )
            ),
            width="stretch" if is_single else "content",
            # Streamlit's theme would replace ours, and files have only ours.
            theme=None,
            key=name,
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        download("SVG", lambda: to_svg(chart), f"{name}.svg", "image/svg+xml")
        download("PNG", lambda: to_png(chart), f"{name}.png", "image/png")
        download("CSV", lambda: to_csv(rows), f"{name}.csv", "text/csv")
    with st.expander("What am I looking at?", width=PAGE_WIDTH):
        st.markdown(about)


def download(label: str, data: object, file_name: str, mime: str) -> None:
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
