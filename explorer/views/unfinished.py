"""What to do where there is nothing to show yet."""

import pandas as pd
import streamlit as st

from keras_sharpness.runs import StudyFolder
from views.text import PAGE_WIDTH, plain

_DEMO = "make demo"
_COMPARE = (
    "keras-sharpness compare --network f1 --small-batch 32 --large-batch 400 "
    "--out runs/first"
)


def show_no_study() -> None:
    """What a study is, and how to make one."""
    with st.container(width=PAGE_WIDTH):
        st.subheader("Small against large batches")
        st.markdown(
            "Does training with large batches end in **sharper minima**, and "
            "do those **generalise worse**? A study trains one network with "
            "small and with large batches from the same starts, and measures "
            "the sharpness of the minima. Then this page shows it."
        )
        st.markdown(
            "**Make one**, in a terminal. About three minutes on two cores, in "
            "the folder `runs`:"
        )
        st.code(_DEMO, language="shell")
        st.markdown("or with options of your own:")
        st.code(_COMPARE, language="shell", wrap_lines=True)
        st.markdown("**Or show studies that are elsewhere:**")
        st.code(
            "streamlit run explorer/app.py -- --runs FOLDER", language="shell"
        )


def show_no_files() -> None:
    """A link to dropped files that are gone, or none were dropped yet."""
    with st.container(width=PAGE_WIDTH):
        st.info(
            "Files that are dropped stay with the browser session that they "
            "were dropped in, so a link does not bring them back. Drop them "
            "again, under *Open model files* on the left.",
            title="No model files here",
            icon=":material/upload_file:",
        )


def show_unfinished(folder: StudyFolder) -> None:
    """How far a study is."""
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
    """A study that this page knows nothing of."""
    st.info(
        f"keras_sharpness {plain(folder.written_by)} made it. This page shows "
        "the studies of `keras-sharpness compare`; the other pages show the "
        "minima of any study.",
        title="Another kind of study",
    )
