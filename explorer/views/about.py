"""What ε-sharpness is, and what it does not tell."""

import pandas as pd
import streamlit as st

from views.state import Look
from views.text import PAGE_WIDTH

_FORMULA = r"""
\phi_{x,f}(\epsilon, A) = 100 \cdot
\frac{\max_{z \in C_\epsilon} f(x + A z) - f(x)}{1 + f(x)}, \qquad
C_\epsilon = \left\{ z \in \mathbb{R}^p :
|z_i| \le \epsilon \left( |(A^{+} x)_i| + 1 \right) \right\}
"""
_MEANING = """
f is the mean loss over the training samples, regularisation included, and x
the trained weights. The columns of A span the directions that are searched:
A is the identity in the *full space*, and random with a few columns in a
*random subspace*. So φ is how far the loss rises, in percent of 1 + f(x),
when every weight may move by ε times its size plus one
([Keskar et al. 2017](https://arxiv.org/abs/1609.04836), Metric 2.1).
"""
_LIMITS = """
- **A lower bound.** The maximum is searched for, by a few gradient steps. A
  better search can only find a larger value.
- **Not invariant under rescaling.** Multiply one layer of a ReLU network by
  10 and divide the next by 10: the function stays, φ does not
  ([Dinh et al. 2017](https://arxiv.org/abs/1703.04933)). Compare minima of
  one architecture, trained alike.
- **Not a cause.** Two groups of minima that differ in sharpness and in
  accuracy do not show that the one explains the other.
- **Only as good as the sample.** Seeds and test samples are few; the table
  gives the standard deviation over the seeds.
"""
_KEPT = """
The app runs on this computer and answers only to it. A model file is
inspected before anything opens it, and refused if it asks for anything but
layers that are known; what was dropped, and what was computed from it, is
deleted when the browser leaves. Nothing is sent anywhere.
"""
_BATCH_NORM = {
    "inference": "Batch normalisation used the moving statistics of each "
    "model, as at inference; along a path they were interpolated too.",
    "batch": "Batch normalisation used the statistics of each batch, as in "
    "the paper, so the number of samples evaluated at once is part of the "
    "loss.",
    "recalibrate": "The moving statistics of batch normalisation were "
    "estimated anew at every point that was evaluated.",
}


def show(look: Look) -> None:
    """The page: what ε-sharpness is, and what is kept."""
    with st.container(width=PAGE_WIDTH):
        show_metric()
        st.subheader("What is kept")
        st.markdown(_KEPT)
        study = look.source.study
        if study is None:
            return
        plan = study.settings["plan"]
        st.subheader("This study")
        st.markdown(_BATCH_NORM[plan["batch_norm"]])
        left, right = st.columns(2)
        with left:
            _settings("Measured with", plan)
        with right:
            _settings("Made by", study.folder.versions)


def show_metric() -> None:
    """The definition, and what to beware of."""
    st.subheader("ε-sharpness")
    st.latex(_FORMULA)
    st.markdown(_MEANING)
    st.subheader("What it does not tell")
    st.markdown(_LIMITS)


def _settings(title: str, values: dict) -> None:
    st.markdown(f"**{title}**")
    rows = {
        name.replace("_", " "): ", ".join(map(str, value))
        if isinstance(value, tuple | list)
        else "not set"
        if value is None
        else str(value)
        for name, value in values.items()
    }
    st.dataframe(
        pd.DataFrame({"setting": rows.keys(), "value": rows.values()}),
        hide_index=True,
        alt=f"{title}.",
    )
