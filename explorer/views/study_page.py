"""A batch-size study as a whole: its outcome, tables and scatter."""

import pandas as pd
import streamlit as st
from figures import brushed, inside
from study import Study
from work.recipes import eigenvalues_recipe, sharpness_recipe

from keras_sharpness.charts import eigenvalue_chart, sharpness_chart, to_csv
from views import many_trainings, unfinished
from views.figure import download, show_figure
from views.state import Look
from views.text import counted, plain

_SHARPNESS = r"""
Each point is one trained network, that is, one minimum; a thin line joins the
two that began from the same start. To the right the minimum is sharper: the
loss rises further when every weight moves by at most ε (|w| + 1). Higher up
the network does better on test data.

Keskar et al. find large-batch minima to be the sharper and the worse ones. The
panels need not agree: the full space looks as far as the box reaches, a random
subspace in a few directions only, and both follow the training loss that is
left. φ is a lower bound, as the largest loss nearby is searched for by a few
steps of an optimiser, and it is not invariant when layers are rescaled:
compare minima of one architecture, trained alike.
"""
_EIGENVALUES = r"""
The largest eigenvalues of the Hessian of the training loss, one column of
points for each network: how steeply the loss rises along the most curved
directions. A hollow point has not converged. They fall with the training loss
that is left, so that the order can be another one than that of φ, and they too
depend on how layers are scaled.
"""


def show(look: Look) -> None:
    """The page: the outcome of a study, or what is missing of it."""
    folder, study = look.source.folder, look.source.study
    if folder is None:
        unfinished.show_no_study()
    elif folder.settings.get("study") != "compare":
        many_trainings.show(folder)
    elif study is None:
        unfinished.show_unfinished(folder)
    else:
        _show(study)


def _show(study: Study) -> None:
    comparison, name = study.comparison, study.folder.name
    settings = study.settings
    st.caption(
        f"{' against '.join(study.batch_names.values())} · "
        f"{counted(len(study.seeds), 'seed')} · "
        f"{counted(settings['num_weights'], 'weight')} · "
        f"measured on {counted(study.num_samples, 'training sample')}"
    )
    with st.container(border=True):
        for sentence in comparison.verdict():
            # A number and its unit stay on one line.
            st.markdown(plain(sentence.replace(" %", "\N{NO-BREAK SPACE}%")))
    st.subheader("In numbers")
    st.dataframe(
        comparison.summary(),
        width="content",
        height="content",
        alt="Accuracy, loss, sharpness and eigenvalues by batch size.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        download(
            "CSV, one row per run",
            lambda: to_csv(comparison),
            f"{name}-table.csv",
            "text/csv",
        )
        if len(study.seeds) > 1:
            st.caption(
                "Mean ± standard deviation over the seeds. Large / small: "
                "geometric mean of the seeds' ratios, in brackets its 95 % "
                "confidence interval."
            )
    st.subheader("Sharpness and generalisation")
    sharpness = comparison.sharpness_frame()
    chart, brushes = brushed(sharpness_chart(sharpness))
    show_figure(
        chart,
        sharpness,
        name=f"{name}-sharpness",
        about=_SHARPNESS,
        recipe=sharpness_recipe(study),
        selection=brushes,
        told=lambda boxes: _show_chosen(inside(sharpness, boxes, brushes)),
    )
    _show_curvature(study)


def _show_chosen(rows: pd.DataFrame) -> None:
    """The runs in the box that the reader drew."""
    if rows.empty:
        st.caption("Draw a box around points to list their runs.")
        return
    st.dataframe(
        rows,
        hide_index=True,
        width="content",
        alt="The runs in the box that was drawn.",
    )


def _show_curvature(study: Study) -> None:
    name = study.folder.name
    eigenvalues = study.eigenvalues()
    if eigenvalues is not None:
        st.subheader("Curvature")
        show_figure(
            eigenvalue_chart(eigenvalues),
            eigenvalues,
            name=f"{name}-eigenvalues",
            about=_EIGENVALUES,
            recipe=eigenvalues_recipe(study),
            widest=560,
        )
