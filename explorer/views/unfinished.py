"""What to do where there is nothing to show yet."""

import pathlib
import shlex

import pandas as pd
import streamlit as st

from keras_sharpness.runs import StudyFolder
from views.about import show_metric
from views.text import PAGE_WIDTH, plain

_DEMO = "make demo"
_COMPARE = (
    "keras-sharpness compare --network f1 --small-batch 32 --large-batch 400"
)


def show_no_study(root: pathlib.Path) -> None:
    """The first page: what the explorer shows, and how to make some of it."""
    with st.container(width=PAGE_WIDTH):
        st.title("Small against large batches")
        st.markdown(
            "Does training with large batches end in **sharper minima**, and "
            "do those **generalise worse**? A study trains one network with "
            "small and with large batches from the same start, measures the "
            "sharpness of both minima and the loss between them. Then this "
            "page shows it."
        )
        st.info(
            f"No study in {plain(str(root.absolute()))} yet.",
            icon=":material/folder_off:",
        )
        st.markdown(
            "**Make one**, in a terminal. About five minutes on two cores, in "
            "the folder `runs`:"
        )
        st.code(_DEMO, language="shell")
        st.markdown("or with options of your own:")
        out = shlex.quote(str(root / "first"))
        st.code(f"{_COMPARE} --out {out}", language="shell", wrap_lines=True)
        st.markdown("**Or show studies that are elsewhere:**")
        st.code(
            "streamlit run explorer/app.py -- --runs FOLDER", language="shell"
        )
        st.button("Look again", icon=":material/refresh:")
        with st.expander("What is measured?"):
            show_metric()


def show_unfinished(folder: StudyFolder) -> None:
    """How far a study is."""
    st.title(plain(folder.name))
    st.info(
        "This study is under way, or was interrupted. The command that began "
        "it goes on where it stopped.",
        title="Not finished yet",
        icon=":material/hourglass_top:",
    )
    st.button("Look again", icon=":material/refresh:")
    runs = folder.runs()
    if runs:
        st.dataframe(
            pd.DataFrame(
                {
                    "run": run.name,
                    "trained": run.is_finished,
                    "measurements": len(run.measurements()),
                }
                for run in runs
            ),
            hide_index=True,
            width="content",
            alt="The runs of this study and what is there of them.",
        )


def show_other_kind(folder: StudyFolder) -> None:
    """A study that this version knows nothing of."""
    st.title(plain(folder.name))
    st.info(
        f"keras_sharpness {plain(folder.written_by)} made it. The explorer "
        "shows the studies of `keras-sharpness compare`.",
        title="Another kind of study",
    )
