"""Loss and accuracy of trainings, epoch by epoch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import altair as alt
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.charts._axes import Axis, linear_axis, log_axis
from keras_sharpness.charts._rows import Kinds, batch_kinds, inline_data
from keras_sharpness.charts._text import heading, loss_title, number
from keras_sharpness.charts.theme import themed

if TYPE_CHECKING:
    from keras_sharpness.training import TrainingHistory

_WIDTH, _HEIGHT = 310, 280
_DATA = {"": "train", "val_": "validation"}


def training_chart(
    histories: "Mapping[str, TrainingHistory]", *, title: str | None = None
) -> alt.HConcatChart:
    """Loss, on a log scale, and accuracy over the epochs, side by side.

    One line per training, solid while training and dashed for the validation
    data; the colour is the batch size, which seeds share. A click on the
    legend singles out one batch size.

    Args:
        histories: Dict from a name to a `TrainingHistory`.
        title: Str. By default it says what is drawn.

    Returns:
        An Altair chart, in the light look.

    Raises:
        ValueError: If there is nothing to draw, or more batch sizes than
            colours.

    Example:

    ```python
    import keras_sharpness as ks
    from keras_sharpness.charts import training_chart
    from keras_sharpness.training import TrainingHistory

    history = TrainingHistory.from_rows(
        [{"loss": 2.3, "accuracy": 0.1}, {"loss": 0.4, "accuracy": 0.9}],
        batch_size=32, seed=0, optimizer={}, loss_name="crossentropy",
        num_samples=100, num_updates=8, stop_reason="epochs",
        total_seconds=1.0,
    )
    chart = training_chart({"seed 0": history})
    ```
    """
    arguments.text("title", title, optional=True, empty=True)
    arguments.instance(
        "histories",
        histories,
        Mapping,
        "a dict from a name to what `ks.train(…)` returned",
    )
    arguments.results(
        "histories", histories, "TrainingHistory", "`ks.train(…)`"
    )
    frame = _frame(histories)
    kinds = batch_kinds(frame, "batch_size")
    frame["kind"] = kinds.labels
    pick = alt.selection_point(name="pick", fields=["kind"], bind="legend")
    names = {history.loss_name for history in histories.values()}
    loss_name = names.pop() if len(names) == 1 else ""
    loss = frame[frame["measure"] == "loss"]
    axis = _loss_axis(loss["value"])
    suffix = " (log scale)" if axis.log else ""
    data_names = [name for name in _DATA.values() if name in set(frame["data"])]
    panels = [
        _panel(
            loss, axis, loss_title(loss_name) + suffix, kinds, data_names, pick
        )
    ]
    accuracy = frame[frame["measure"] == "accuracy"]
    if np.isfinite(accuracy["value"]).any():
        accuracy_axis = linear_axis(min(accuracy["value"].min(), 99.0), 100.0)
        panels.append(
            _panel(
                accuracy, accuracy_axis, "Accuracy (%)", kinds, data_names, pick
            )
        )
    what = "loss and accuracy" if len(panels) == 2 else "loss"
    text = title or f"Training: {what} by epoch"
    notes = _notes(histories, kinds, loss["value"], axis)
    # One panel declares the selection, and both obey it.
    panels[0] = panels[0].add_params(pick)
    chart = alt.hconcat(*panels, spacing=28).properties(
        title=heading(text, notes),
        description=_description(text, frame, notes),
    )
    return themed(chart)


def _frame(histories: "Mapping[str, TrainingHistory]") -> pd.DataFrame:
    """Rows of run, batch_size, seed, epoch, data, measure, value, text."""
    frames = []
    for name, history in histories.items():
        epochs = history.to_frame()
        for prefix, data in _DATA.items():
            for measure, factor in (("loss", 1.0), ("accuracy", 100.0)):
                if prefix + measure in epochs:
                    values = factor * epochs[prefix + measure].astype(float)
                    unit = " %" if measure == "accuracy" else ""
                    rows = {
                        "run": str(name),
                        "batch_size": history.batch_size,
                        "seed": history.seed,
                        "epoch": epochs["epoch"],
                        "data": data,
                        "measure": measure,
                        "value": values,
                        "text": [number(value, 4) + unit for value in values],
                    }
                    frames.append(pd.DataFrame(rows))
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    if (
        frame.empty
        or not np.isfinite(frame["value"][frame["measure"] == "loss"]).any()
    ):
        raise ValueError(
            "`histories` has no finite loss to draw. Pass a dict from a name "
            "to what `ks.train(...)` returned."
        )
    return frame


def _loss_axis(losses: pd.Series) -> Axis:
    finite = losses[np.isfinite(losses)]
    if (finite < 0).any() or not (finite > 0).any():
        return linear_axis(float(finite.min()), float(finite.max()))
    return log_axis(finite)


def _panel(
    frame: pd.DataFrame,
    axis: Axis,
    title: str,
    kinds: Kinds,
    data_names: list[str],
    pick: alt.Parameter,
) -> alt.LayerChart:
    last = int(frame["epoch"].max())
    several = frame.groupby("kind")["run"].nunique().max() > 1
    base = alt.Chart(
        inline_data(frame.assign(shown=axis.shown(frame["value"])))
    ).encode(
        x=alt.X(
            "epoch:Q",
            scale=alt.Scale(domain=[min(1, last - 1), last], nice=False),
            axis=alt.Axis(title="Epoch", format="d", tickMinStep=1),
        ),
        y=alt.Y("shown:Q", scale=axis.scale, axis=axis.axis(title)),
        detail="run:N",
    )
    lines = base.mark_line(
        clip=True, strokeWidth=1.5 if several else 2.2
    ).encode(
        color=kinds.color(symbolType="stroke", symbolSize=700),
        strokeDash=alt.StrokeDash(
            "data:N",
            scale=alt.Scale(
                domain=data_names, range=[[1, 0], [5, 3]][: len(data_names)]
            ),
            legend=alt.Legend(title=None, symbolType="stroke", symbolSize=700),
        ),
        opacity=alt.when(pick).then(alt.value(0.9)).otherwise(alt.value(0.08)),
    )
    # Unseen, but they answer to the pointer.
    points = base.mark_point(opacity=0, size=90).encode(
        tooltip=[
            alt.Tooltip("run:N", title="run"),
            alt.Tooltip("kind:N", title="batch"),
            alt.Tooltip("epoch:Q", title="epoch", format="d"),
            alt.Tooltip("data:N", title="data"),
            alt.Tooltip("text:N", title=frame["measure"].iloc[0]),
        ],
    )
    return alt.layer(lines, points).properties(width=_WIDTH, height=_HEIGHT)


def _notes(
    histories: "Mapping[str, TrainingHistory]",
    kinds: Kinds,
    losses: pd.Series,
    axis: Axis,
) -> list[str]:
    notes = []
    if len(histories) > len(kinds.legend):
        notes.append(f"{len(histories)} trainings, one line each.")
    if axis.log and (losses <= 0).any():
        notes.append(
            f"At the bottom of the axis: {int((losses <= 0).sum())} of "
            f"{len(losses)} losses, 0 or less."
        )
    diverged = [
        str(name)
        for name, history in histories.items()
        if history.stop_reason == "diverged"
    ]
    if diverged:
        notes.append(f"Diverged: {', '.join(diverged)}.")
    return notes


def _description(title: str, frame: pd.DataFrame, notes: list[str]) -> str:
    last = frame[
        frame.groupby("run")["epoch"].transform("max") == frame["epoch"]
    ]
    ends = [
        f"{kind}: {data} {measure} "
        f"{number(float(rows.min()))} to {number(float(rows.max()))}"
        for (kind, data, measure), rows in last.groupby(
            ["kind", "data", "measure"], sort=False
        )["value"]
    ]
    return " ".join(
        [
            f"Line charts. {title}. After the last epoch: {'; '.join(ends)}.",
            *notes,
        ]
    )
