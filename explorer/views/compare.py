"""Minima side by side: numbers, differences, how they were made."""

import dataclasses
from typing import Any

import pandas as pd
import streamlit as st
from work.architecture import layers_side_by_side, settings_side_by_side
from work.measure import Measure
from work.numbers import (
    FORMATS,
    costs,
    relative,
    relative_code,
    requests_for,
    table,
)
from work.recipes import Recipe, computed
from work.request import script

from keras_sharpness.charts import relative_chart
from views.computation import results
from views.figure import show_code, show_figure
from views.state import Look
from views.text import PAGE_WIDTH

_ABOUT = r"""
Each line is one minimum, each place on the horizontal axis one number of it,
divided by the reference's: the reference lies at 1. **φ** is the ε-sharpness,
how far the loss can rise, in percent, when every weight moves by at most
ε (|w| + 1); the **largest eigenvalue** and the **trace** are those of the
Hessian of the training loss, its steepest curvature and the sum of all.
A minimum that lies high in these three is sharp. Rows chosen in the table
stand out here.

None of them is invariant when layers are rescaled
([Dinh et al. 2017](https://arxiv.org/abs/1703.04933)): compare minima of one
architecture, trained alike. φ is a lower bound, found by a search; the trace
is an estimate, its standard error in the table.
"""


def show(look: Look) -> None:
    """The page: the numbers of the minima, and how they were made."""
    if not look.minima:
        st.info("Choose at least one minimum in the sidebar.")
        return
    requests = requests_for(look.minima, look.data)
    found = results(look, requests, key="measure", verb="Measure")
    frame = table(requests, found)
    reference = frame.index[0]
    if frame.notna().any(axis=None):
        reference = _reference(list(frame.index))
    chosen = _numbers(frame, reference)
    if len(frame) > 1:
        groups = {m.name: m.group or m.name for m in look.minima}
        rows = relative(frame, reference, groups)
        if rows["ratio"].notna().any():
            shown = list(dict.fromkeys(groups.values()))
            show_figure(
                relative_chart(
                    rows,
                    reference=reference,
                    groups=shown,
                    highlighted=chosen,
                ),
                rows,
                name=f"{look.source.name}-compared",
                about=_ABOUT,
                recipe=_recipe(requests, found, reference, groups, chosen),
                colors=[look.source.groups.index(group) for group in shown],
            )
    else:
        show_code(script(requests))
    _made(look)
    with st.expander("What each number cost"):
        spent = costs(requests, found)
        if spent.empty:
            st.caption("Nothing was measured yet.")
        else:
            st.dataframe(
                spent,
                hide_index=True,
                width="content",
                column_config={
                    "seconds": st.column_config.NumberColumn(format="%.2f")
                },
                alt="Evaluations, products and seconds of every number.",
            )


def _recipe(
    requests: list[Measure],
    found: list[Any],
    reference: str,
    groups: dict[str, str],
    chosen: list[str],
) -> Recipe:
    """Measures all minima, and draws them as multiples of the reference."""
    recipe = computed(requests, found)
    drawn = relative_code(
        requests, reference=reference, groups=groups, highlighted=chosen
    )
    return dataclasses.replace(recipe, code=f"{recipe.code}\n{drawn}")


def _reference(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return st.selectbox(
        "Reference", names, key="reference", bind="query-params", width=320
    )


def _numbers(frame: pd.DataFrame, reference: str) -> list[str]:
    """The table; returns the rows that the reader has chosen."""
    st.subheader("In numbers")
    event = st.dataframe(
        frame.dropna(axis="columns", how="all"),
        width="content",
        column_config={
            name: st.column_config.NumberColumn(format=text)
            for name, text in FORMATS.items()
        },
        on_select="rerun",
        selection_mode="multi-row",
        key="numbers",
        alt="Accuracy, loss, sharpness and curvature of every minimum.",
    )
    if frame.isna().all(axis=None):
        st.caption("Nothing is measured yet.")
    elif len(frame) > 1:
        st.caption(
            "φ: ε-sharpness, for ε = 0.001 and 0.0005. λ₁ and trace: of the "
            "Hessian of the training loss. Rows that are ticked stand out in "
            "the figure."
        )
        changes = frame.sub(frame.loc[reference]).drop(index=reference)
        with st.expander(f"Differences from {reference}"):
            st.dataframe(
                changes.drop(columns="± trace").dropna(axis="columns"),
                width="content",
                column_config={
                    name: st.column_config.NumberColumn(format="%+.4g")
                    for name in FORMATS
                },
                alt="Every number minus that of the reference.",
            )
    return [frame.index[row] for row in event.selection.rows]


def _made(look: Look) -> None:
    """Settings and architecture; what differs comes first."""
    st.subheader("How they were made")
    settings = settings_side_by_side(look.minima)
    layers = layers_side_by_side(look.minima)
    left, right = st.columns(2)
    with left, st.container(width=PAGE_WIDTH):
        st.markdown("**Settings**, those that differ first")
        if settings.empty:
            st.caption("A file does not say how it was trained.")
        else:
            st.dataframe(settings, alt="Settings of every minimum.")
    with right, st.container(width=PAGE_WIDTH):
        alike = layers.drop(columns="layer").nunique(axis="columns").le(1).all()
        if alike and len(look.minima) > 1:
            # The same column again and again would only be cut off.
            layers = layers.iloc[:, :2].set_axis(
                ["layer", "of every minimum"], axis="columns"
            )
        st.markdown(
            "**Architecture**"
            + (
                ""
                if len(look.minima) == 1
                else ", the same"
                if alike
                else ": these differ, and cannot be interpolated"
            )
        )
        st.dataframe(layers, hide_index=True, alt="Layers of every minimum.")
