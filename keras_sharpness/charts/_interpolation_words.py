"""What the chart of an interpolation says in words."""

import numpy as np

from keras_sharpness.charts._axes import Axis
from keras_sharpness.charts._interpolation_rows import Curves
from keras_sharpness.charts._text import number, span


def notes(curves: Curves, axis: Axis) -> list[str]:
    """Sentences on what the chart summarises or does not show."""
    losses = curves.frame["loss"]
    sentences = [_samples_note(curves), _barrier_note(curves)]
    if len(curves.runs) > 1:
        sentences.append(
            f"Thin lines: {len(curves.runs)} runs"
            + (
                "; thick lines: their median."
                if curves.middle is not None
                else ", each with its own α."
            )
        )
    above = losses > axis.upper
    if above.any():
        sentences.append(
            f"▲ The loss axis ends at {number(axis.upper)}; above it: "
            f"{int(above.sum())} of {len(losses)} losses, the largest "
            f"{number(float(losses.max()))}."
        )
    if axis.log and (losses <= 0).any():
        sentences.append(
            f"▼ At the bottom of the axis: {int((losses <= 0).sum())} of "
            f"{len(losses)} losses, 0 or less."
        )
    if losses.isna().any():
        sentences.append(
            f"Not drawn: {int(losses.isna().sum())} of {len(losses)} "
            "losses, not a number."
        )
    return [sentence for sentence in sentences if sentence]


def _samples_note(curves: Curves) -> str:
    settings = next(iter(curves.runs.values())).objectives
    counts = [
        f"{settings[name]['num_samples']:,} {name}"
        for name in curves.data_names
        if "num_samples" in settings.get(name, {})
    ]
    if not counts:
        return ""
    text = " and ".join(counts).removesuffix(" data")
    return f"Means over {text} samples."


def _barrier_note(curves: Curves) -> str:
    texts = {}
    for name in curves.data_names:
        barriers = [curves.barrier(run, name) for run in curves.runs.values()]
        texts[name] = "none"
        if not np.isfinite(barriers).all():
            texts[name] = "not finite"
        elif max(barriers) > 0:
            texts[name] = span(barriers)
    if set(texts.values()) == {"none"}:
        return (
            "No loss barrier: between the ends the loss does not rise "
            "above the straight line."
        )
    parts = [f"{name} {text}" for name, text in texts.items()]
    if len(texts) == 1:
        parts = list(texts.values())
    return (
        "Loss barrier above the straight line between the ends: "
        f"{', '.join(parts)}."
    )


def description(
    curves: Curves, title: str, start: str, end: str, notes: list[str]
) -> str:
    """The chart for those who cannot see it: its ends and its notes."""
    frame = curves.frame if curves.middle is None else curves.middle
    parts = []
    for place, name in ((0.0, start), (1.0, end)):
        at_place = frame[frame["alpha"] == place]
        values = [
            f"{row.data} loss {number(row.loss)}"
            + (
                f" and accuracy {number(row.accuracy)} %"
                if row.accuracy == row.accuracy
                else ""
            )
            for row in at_place.itertuples()
        ]
        if values:
            parts.append(f"At α = {place:g}, {name}: {', '.join(values)}.")
    low, high = frame["alpha"].min(), frame["alpha"].max()
    return " ".join(
        [f"Line chart. {title}, α from {low:g} to {high:g}.", *parts, *notes]
    )
