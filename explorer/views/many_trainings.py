"""A study of many trainings: its sentences, its table and its picture."""

import streamlit as st

from keras_sharpness.charts import to_csv
from keras_sharpness.runs import StudyFolder
from keras_sharpness.studies import (
    BatchSizeSweep,
    GroupComparison,
    StudyResult,
)
from keras_sharpness.studies.group_report import comparison_chart
from keras_sharpness.studies.sweep_report import RESULT, sweep_chart
from views import unfinished
from views.figure import download, show_figure
from views.text import counted, plain

_SWEEP = """
Each point is one trained network; the line joins the means of the seeds, the
bars are their 95 % confidence intervals. Minima compare at an equal training
loss: read the sharpness together with the loss that is left, which the table
shows.
"""
_GROUPS = """
Each point is one trained network, each line one group; the tick is the mean of
the seeds. All trainings of a seed start from the same weights. Read the
sharpness together with the training loss that is left, which the table shows.
"""


def show(folder: StudyFolder) -> None:
    """The outcome, or how far the study is."""
    file = folder.path_of(RESULT)
    if not file.is_file():
        unfinished.show_unfinished(folder)
        return
    try:
        result = StudyResult.load(file)
    except ValueError as error:
        st.error(
            f"{plain(file.name)} is damaged: {plain(str(error))} Delete it and "
            "repeat the command that made the study: nothing is trained again.",
            icon=":material/error:",
        )
        return
    if isinstance(result, BatchSizeSweep):
        chart, about = sweep_chart(result), _SWEEP
        table = result.table()
    elif isinstance(result, GroupComparison):
        chart, about = comparison_chart(result), _GROUPS
        table = result.table().T
    else:
        unfinished.show_other_kind(folder)
        return
    settings = result.settings
    st.caption(
        f"{counted(len(settings['seeds']), 'seed')} · "
        f"{counted(settings['num_weights'], 'weight')} · "
        f"{counted(settings['num_train'], 'training sample')}"
    )
    with st.container(border=True):
        for sentence in result.summary():
            # A number and its unit stay on one line.
            st.markdown(plain(sentence.replace(" %", "\N{NO-BREAK SPACE}%")))
    st.subheader("In numbers")
    st.dataframe(
        table,
        width="content",
        height="content",
        alt="Mean and standard deviation over the seeds of every number.",
    )
    frame = result.to_frame()
    download(
        "CSV, one row per training",
        lambda: to_csv(frame),
        f"{folder.name}-table.csv",
        "text/csv",
    )
    st.subheader("Accuracy and sharpness")
    show_figure(chart, frame, name=f"{folder.name}-study", about=about)
