"""Loss and accuracy along a path between the two minima."""

import pandas as pd
import streamlit as st
from study import Study

from keras_sharpness.charts import interpolation_chart
from keras_sharpness.landscape import Interpolation
from keras_sharpness.studies.pairs import PATHS
from views.figure import show_figure

_FORMULAS = {
    "linear": r"w(\alpha) = (1 - \alpha)\,w_\text{small} "
    r"+ \alpha\,w_\text{large}",
    "curvilinear": r"w(\alpha) = \cos\!\left(\tfrac{\alpha\pi}{2}\right)"
    r"w_\text{small} + \sin\!\left(\tfrac{\alpha\pi}{2}\right)w_\text{large}",
}
_ABOUT = r"""
Loss and accuracy of the network with the weights

$${formula}$$

α = 0 is the small-batch minimum, α = 1 the large-batch one. Look at how
steeply the loss rises on either side of each: the sharper minimum has the
steeper walls. What lies between them is a valley or a **barrier**, the
largest excess of the loss over the straight line from one end's loss to the
other's.

A path is one direction among very many, and it bends when layers are
rescaled; it shows these two minima, not the landscape. After Figures 3 and 7
of [Keskar et al. 2017](https://arxiv.org/abs/1609.04836).
"""


def show(study: Study) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.segmented_control(
            "Path",
            PATHS,
            default=PATHS[0],
            required=True,
            key="path",
            bind="query-params",
        )
        seeds = study.seeds
        if len(seeds) > 1:
            seeds = st.pills(
                "Seeds",
                seeds,
                selection_mode="multi",
                default=seeds,
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
        interpolation_chart(
            {f"seed {seed}": line for seed, line in lines.items()},
            start_name=names["small"],
            end_name=names["large"],
            log_loss=log_loss,
        ),
        pd.concat(rows, ignore_index=True),
        name=f"{study.folder.name}-{path}",
        about=_ABOUT.replace("{formula}", _FORMULAS[path]),
    )
    st.subheader("Barriers")
    st.caption(
        "The largest excess of the loss over the straight line between the "
        "losses at α = 0 and α = 1. Zero: the loss never rises above it."
    )
    table = barriers(lines)
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


def barriers(lines: dict[int, Interpolation]) -> pd.DataFrame:
    """One row per seed: the distance of its minima and their barriers."""
    return pd.DataFrame(
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
