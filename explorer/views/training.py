"""How the models got to their minima."""

import pandas as pd
import streamlit as st
from work.recipes import logged_recipe, training_recipe

from keras_sharpness.charts import epochs_chart, training_chart
from keras_sharpness.training import TrainingHistory
from views.figure import show_figure
from views.state import Look

_ABOUT = """
Solid: loss and accuracy of the training batches while they were trained on,
averaged over an epoch in which the weights changed. Dashed, as validation:
the test samples after each epoch. A click on a batch size in the legend
singles it out.

Minima are comparable when both trainings have come to rest. If a training
loss still falls at the end, train longer before reading much into the
sharpness.
"""
_ABOUT_LOGGED = """
What the callbacks of the package measured while the networks were trained,
one line per training. It tells when a training turned towards a sharp or a
flat region, long before the end.
"""
_ENDINGS = {
    "epochs": "all epochs done",
    "patience": "loss ceased to improve",
    "callback": "stopped by a callback",
    "diverged": "diverged",
}


def show(look: Look) -> None:
    """The page: how the trainings went, and what callbacks saw."""
    histories = {
        minimum.name: minimum.run.history(TrainingHistory)
        for minimum in look.minima
        if minimum.run is not None
    }
    if not histories:
        st.info(
            "The file of a model does not tell how it was trained. Studies "
            "do: `ks.studies.compare` and `keras-sharpness compare` keep the "
            "history of every run.",
            icon=":material/timeline:",
        )
        return
    name = look.source.name
    rows = [h.to_frame().assign(run=run) for run, h in histories.items()]
    frame = pd.concat(rows, ignore_index=True)
    show_figure(
        training_chart(histories),
        frame,
        name=f"{name}-training",
        about=_ABOUT,
        recipe=training_recipe(look.minima, histories),
    )
    _show_logged(look, histories)
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


def _show_logged(look: Look, histories: dict[str, TrainingHistory]) -> None:
    """What callbacks wrote into the logs, e.g. the sharpness."""
    names = list(
        dict.fromkeys(
            name
            for history in histories.values()
            for name in history.logged
            if not name.endswith(("_seconds", "_skipped"))
        )
    )
    if not names:
        return
    st.subheader("Over the epochs")
    quantity = st.selectbox(
        "What the callbacks measured",
        names,
        format_func=lambda text: text.replace("_", " "),
        key="logged",
        bind="query-params",
        width=320,
    )
    groups = {m.name: m.group or m.name for m in look.minima}
    rows = pd.concat(
        [
            pd.DataFrame(
                {
                    "run": run,
                    "group": groups[run],
                    "epoch": history.epoch,
                    "value": history.logged[quantity],
                }
            )
            for run, history in histories.items()
            if quantity in history.logged
        ],
        ignore_index=True,
    )
    shown = list(dict.fromkeys(rows["group"]))
    show_figure(
        epochs_chart(rows, quantity=quantity, groups=shown),
        rows,
        name=f"{look.source.name}-{quantity}",
        about=_ABOUT_LOGGED,
        recipe=logged_recipe(
            look.minima, histories, quantity=quantity, groups=groups
        ),
        colors=[look.source.groups.index(group) for group in shown],
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
