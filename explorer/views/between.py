"""Loss and accuracy along a path between two minima."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from figures import with_ends
from study import Study
from work.architecture import description
from work.between import Connect, Interpolate
from work.minimum import Minimum
from work.recipes import lines_recipe

from keras_sharpness.charts import connection_chart, interpolation_chart
from keras_sharpness.saving import architecture_mismatch
from keras_sharpness.studies.pairs import PATHS
from views.computed import show_computed
from views.figure import show_figure
from views.state import Look
from views.text import plain

_CURVES = ("bezier", "polygon")
_FORMULAS = {
    "linear": r"w(\alpha) = (1 - \alpha)\,w_\text{start} "
    r"+ \alpha\,w_\text{end}",
    "curvilinear": r"w(\alpha) = \cos\!\left(\tfrac{\alpha\pi}{2}\right)"
    r"w_\text{start} + \sin\!\left(\tfrac{\alpha\pi}{2}\right)w_\text{end}",
}
_ABOUT = r"""
Loss and accuracy of the network with the weights

$${formula}$$

α = 0 is the one minimum, α = 1 the other. Look at how steeply the loss rises
on either side of each: the sharper minimum has the steeper walls. What lies
between them is a valley or a **barrier**, the largest excess of the loss over
the straight line from one end's loss to the other's.

A path is one direction among very many, and it bends when layers are
rescaled; it shows these two minima, not the landscape. After Figures 3 and 7
of [Keskar et al. 2017](https://arxiv.org/abs/1609.04836).
"""
_ABOUT_CURVE = r"""
A curve from one minimum to the other with a single bend, which is trained
until the loss along the whole curve is low: a quadratic Bézier curve, or two
straight pieces. Where the straight line crosses a barrier and this curve does
not, the two minima lie in one connected valley after all.

The bend is found by training on the samples chosen; a low curve shows that
there is a way, and a high one does not show that there is none. After
[Garipov et al. 2018](https://arxiv.org/abs/1802.10026).
"""


def show(look: Look) -> None:
    """The page: what lies between two minima, or those of every seed."""
    study = look.source.study
    if study is not None and len(study.seeds) > 1:
        every = st.segmented_control(
            "Show",
            ["every seed", "two minima"],
            default="every seed",
            required=True,
            key="pairs",
            bind="query-params",
        )
        if every == "every seed":
            _show_seeds(study)
            return
    _show_pair(look)


def _show_pair(look: Look) -> None:
    if len(look.minima) < 2:
        st.info("Choose at least two minima in the sidebar.")
        return
    by_name = {minimum.name: minimum for minimum in look.minima}
    names = list(by_name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        start = st.selectbox(
            "From", names, key="start", bind="query-params", width=260
        )
        end = st.selectbox(
            "To", names, index=1, key="end", bind="query-params", width=260
        )
        way = st.segmented_control(
            "Along",
            [*PATHS, *_CURVES],
            default=PATHS[0],
            help="The straight line; the curve of the paper; a Bézier curve "
            "or two straight pieces, with a bend that is trained.",
            required=True,
            key="path",
            bind="query-params",
        )
    pair = by_name[start], by_name[end]
    if start == end:
        st.info("These are the same minimum. Choose another end.")
        return
    mismatch = architecture_mismatch(*map(description, pair))
    if mismatch:
        st.error(
            plain(mismatch),
            title="No way between them",
            icon=":material/block:",
        )
        return
    if way in PATHS:
        _show_path(look, pair, way)
    else:
        _show_curve(look, pair, way)


def _show_path(look: Look, pair: tuple[Minimum, ...], path: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        num_points = st.slider(
            "Points", 7, 97, 25, 6, key="points", bind="query-params", width=240
        )
        low, high = st.slider(
            "From α to α",
            -2.0,
            3.0,
            (-1.0, 2.0),
            0.25,
            key="alphas",
            bind="query-params",
            width=320,
        )
        log_loss = st.toggle("Logarithmic loss", key="log", bind="query-params")
    if low >= high:
        st.info("Both ends of the range are the same. Move one of them.")
        return
    request = Interpolate(
        minima=pair,
        data=look.data,
        path=path,
        num_points=num_points,
        low=low,
        high=high,
    )
    there = show_computed(
        look,
        [request],
        draw=_draw_path,
        options={"log_loss": log_loss},
        name=path,
        about=_ABOUT.replace("{formula}", _FORMULAS[path]),
    )
    for _, line in there:
        with st.container(horizontal=True):
            for split, barrier in line.barriers.items():
                st.metric(f"Barrier, {split} loss", f"{barrier:.4g}")
            st.metric("Distance of the minima", f"{line.distance:.4g}")


def _draw_path(
    requests: list[Interpolate], lines: list[Any], **options: Any
) -> alt.LayerChart:
    start, end = (minimum.name for minimum in requests[0].minima)
    chart = interpolation_chart(
        lines[0], start_name=start, end_name=end, **options
    )
    return with_ends(chart, start, end)


def _show_curve(look: Look, pair: tuple[Minimum, ...], curve: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps = st.slider(
            "Training steps",
            50,
            1000,
            200,
            50,
            key="steps",
            bind="query-params",
            width=240,
        )
        log_loss = st.toggle("Logarithmic loss", key="log", bind="query-params")
    request = Connect(minima=pair, data=look.data, curve=curve, num_steps=steps)
    there = show_computed(
        look,
        [request],
        draw=_draw_curve,
        options={"log": log_loss},
        name=curve,
        about=_ABOUT_CURVE,
    )
    for _, found in there:
        with st.container(horizontal=True):
            for split, barrier in found.barriers.items():
                before = found.line_barriers[split]
                st.metric(
                    f"Barrier on the curve, {split} loss",
                    f"{barrier:.4g}",
                    f"{barrier - before:+.4g} against the straight line",
                    delta_color="inverse",
                )


def _draw_curve(
    requests: list[Connect], curves: list[Any], **options: Any
) -> alt.HConcatChart:
    start, end = (minimum.name for minimum in requests[0].minima)
    return connection_chart(
        curves[0], start_name=start, end_name=end, **options
    )


def _show_seeds(study: Study) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.segmented_control(
            "Along",
            PATHS,
            default=PATHS[0],
            required=True,
            key="seed_path",
            bind="query-params",
        )
        seeds = st.pills(
            "Seeds",
            study.seeds,
            selection_mode="multi",
            default=study.seeds,
            key="seeds",
            bind="query-params",
        )
        log_loss = st.toggle("Logarithmic loss", key="log", bind="query-params")
    if not seeds:
        st.info("Choose at least one seed to see its path.")
        return
    lines = {seed: study.line(path, seed) for seed in sorted(seeds)}
    names = study.batch_names
    rows = [line.to_frame().assign(seed=seed) for seed, line in lines.items()]
    show_figure(
        with_ends(
            interpolation_chart(
                {f"seed {seed}": line for seed, line in lines.items()},
                start_name=names["small"],
                end_name=names["large"],
                log_loss=log_loss,
            ),
            names["small"],
            names["large"],
        ),
        pd.concat(rows, ignore_index=True),
        name=f"{study.folder.name}-{path}",
        about=_ABOUT.replace("{formula}", _FORMULAS[path]),
        recipe=lines_recipe(study, path, lines, {"log_loss": log_loss}),
    )
    st.subheader("Barriers")
    st.caption(
        "The largest excess of the loss over the straight line between the "
        "losses at α = 0 and α = 1. Zero: the loss never rises above it."
    )
    table = pd.DataFrame(
        {
            "seed": seed,
            "distance of the minima": line.distance,
            **{
                f"barrier, {data} loss": barrier
                for data, barrier in line.barriers.items()
            },
        }
        for seed, line in lines.items()
    )
    st.dataframe(
        table,
        hide_index=True,
        width="content",
        column_config={
            name: st.column_config.NumberColumn(format="%.4g")
            for name in table.columns[1:]
        },
        alt="The barrier between the two minima of each seed.",
    )
