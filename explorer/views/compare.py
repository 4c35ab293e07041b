"""Which minimum is sharper, and which one generalises better."""

import streamlit as st
from study import Study

from keras_sharpness.charts import eigenvalue_chart, sharpness_chart, to_csv
from views.figure import download, show_figure
from views.text import plain

_SHARPNESS = r"""
Each point is one trained network, that is, one minimum; a thin line joins the
two that started from the same weights. Further right is sharper, further up
generalises better. If sharpness explained generalisation, the lines would
fall to the right.

The ε-sharpness φ is how far the training loss rises within a small box around
the weights, in percent of 1 + loss. The maximum is searched for, so **the
value is a lower bound**. In a *random subspace* the box has only a few random
directions.
"""
_EIGENVALUES = r"""
The largest eigenvalues of the Hessian of the training loss at each minimum:
the curvature in the steepest directions. They describe an infinitely small
neighbourhood and **scale with the loss that is left**, so read them together
with the training loss in the table above.
"""


def show(study: Study) -> None:
    comparison, name = study.comparison, study.folder.name
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
            st.caption("Mean ± standard deviation over the seeds.")
    st.subheader("Sharpness and generalisation")
    sharpness = comparison.sharpness_frame()
    show_figure(
        sharpness_chart(sharpness),
        sharpness,
        name=f"{name}-sharpness",
        about=_SHARPNESS,
    )
    eigenvalues = study.eigenvalues()
    if eigenvalues is not None:
        st.subheader("Curvature")
        show_figure(
            eigenvalue_chart(eigenvalues),
            eigenvalues,
            name=f"{name}-eigenvalues",
            about=_EIGENVALUES,
            widest=560,
        )
