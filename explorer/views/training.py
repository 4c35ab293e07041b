"""How the models got to their minima."""

import pandas as pd
import streamlit as st
from study import Study

from keras_sharpness.charts import training_chart
from keras_sharpness.training import TrainingHistory
from views.figure import show_figure

_ABOUT = """
Solid: loss and accuracy of the training batches while they were trained on,
averaged over an epoch in which the weights changed. Dashed, as validation:
the test samples after each epoch. A click on a batch size in the legend
singles it out.

Minima are comparable when both trainings have come to rest. If a training
loss still falls at the end, train longer before reading much into the
sharpness.
"""
_ENDINGS = {
    "epochs": "all epochs done",
    "patience": "loss ceased to improve",
    "callback": "stopped by a callback",
    "diverged": "diverged",
}


def show(study: Study) -> None:
    histories = study.histories()
    rows = [h.to_frame().assign(run=name) for name, h in histories.items()]
    show_figure(
        training_chart(histories),
        pd.concat(rows, ignore_index=True),
        name=f"{study.folder.name}-training",
        about=_ABOUT,
    )
    st.subheader("Runs")
    st.dataframe(
        runs(histories),
        hide_index=True,
        width="content",
        column_config={
            "last training loss": st.column_config.NumberColumn(format="%.4g"),
            "seconds": st.column_config.NumberColumn(format="%.1f"),
        },
        alt="Epochs, updates and time of every training.",
    )


def runs(histories: dict[str, TrainingHistory]) -> pd.DataFrame:
    """One row per training."""
    return pd.DataFrame(
        {
            "run": name,
            "epochs": len(history.epoch),
            "updates": history.num_updates,
            "last training loss": history.loss[-1],
            "seconds": history.total_seconds,
            "ended": _ENDINGS.get(history.stop_reason, history.stop_reason),
        }
        for name, history in histories.items()
    )
