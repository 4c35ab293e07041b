"""What a comparison says in words, and what its seeds cannot tell."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from keras_sharpness.studies.metrics import described_columns
from keras_sharpness.studies.paired_accuracy import PairedAccuracy
from keras_sharpness.studies.paired_ratio import (
    PairedRatio,
    ratio_text,
)

# Losses that differ by less do not tell measures of sharpness apart.
_ALIKE = 1.1


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure of sharpness, of the large batch over the small one's.

    Attributes:
        name: Str, in words.
        ratio: `PairedRatio`.
        is_local: Bool. Whether it looks at an infinitely small neighbourhood
            or at random directions only, not at the whole box.
    """

    name: str
    ratio: PairedRatio
    is_local: bool


def paired(frame: pd.DataFrame, column: str) -> PairedRatio:
    """The ratio large / small of a column, seed by seed.

    Args:
        frame: DataFrame, one row per run, with `seed` and `batch`.
        column: Str.

    Returns:
        A `PairedRatio`.
    """
    pairs = frame.pivot(index="seed", columns="batch", values=column)
    pairs = pairs.astype(float)
    return PairedRatio.of(pairs["small"], pairs["large"])


def sharpness_measures(frame: pd.DataFrame) -> list[Measure]:
    """All measures of sharpness that were taken.

    Args:
        frame: DataFrame, one row per run.

    Returns:
        List of `Measure`, in the order of the columns.
    """
    return [
        Measure(column.words, paired(frame, column.name), column.is_local)
        for column in described_columns(list(frame))
    ]


def verdict_on_sharpness(frame: pd.DataFrame) -> list[str]:
    """Which minimum is sharper, by which measures, and why they may differ.

    Args:
        frame: DataFrame, one row per run.

    Returns:
        List of str.
    """
    measures = sharpness_measures(frame)
    if not measures:
        return ["No sharpness was measured."]
    num_seeds = measures[0].ratio.num_pairs
    if num_seeds < 2:
        return [
            "One seed cannot tell which minimum is sharper. Large / small in "
            f"this seed: {_listed(measures)}.",
            *_on_the_loss(frame, measures),
        ]
    sides = {
        side: [m for m in measures if m.ratio.side == side]
        for side in (1, -1, 0)
    }
    total = len(measures)
    if len(sides[0]) == total:
        return [
            f"{num_seeds} seeds cannot tell which minimum is sharper, by any "
            f"of {_counted(total, 'measure')}. Large / small, geometric mean "
            "of the seeds' ratios and its 95 % confidence interval: "
            f"{_listed(measures)}.",
            *_on_the_loss(frame, measures),
        ]
    sentences = []
    if len(sides[0]) + max(len(sides[1]), len(sides[-1])) < total:
        sentences.append(
            f"Over {num_seeds} seeds the measures contradict each other."
        )
    for side, which in ((1, "large"), (-1, "small")):
        if sides[side]:
            sentences.append(
                f"By {_share(len(sides[side]), total)} the {which}-batch "
                f"minimum is sharper over {num_seeds} seeds (geometric mean "
                "of the seeds' ratios, 95 % confidence interval): "
                f"{_sharper(sides[side], side)}."
            )
    if sides[0]:
        sentences.append(
            f"By {_share(len(sides[0]), total)} the seeds cannot tell; large "
            f"/ small: {_listed(sides[0])}."
        )
    return [*sentences, *_on_the_loss(frame, measures)]


def _on_the_loss(frame: pd.DataFrame, measures: list[Measure]) -> list[str]:
    """Why measures may disagree: how far they look, and the loss left."""
    if "train_loss" not in frame:
        return []
    losses = frame.groupby("batch")["train_loss"].mean()
    small, large = losses["small"], losses["large"]
    if not (np.isfinite(small) and np.isfinite(large)):
        return []
    left = f"{small:.3g} (small batch) and {large:.3g} (large batch)"
    sentences = []
    sides = {measure.ratio.side for measure in measures}
    if len(sides) > 1 and {m.is_local for m in measures} == {True, False}:
        sentences.append(
            "Measures differ in how far they look: φ in the full space moves "
            "every weight by up to ε (|w| + 1) towards the highest loss; an "
            "eigenvalue sees an infinitely small step, the subspace a few "
            "random directions."
        )
    low, high = sorted((small, large))
    if low > 0 and high / low < _ALIKE:
        if len(sides) > 1:
            sentences.append(
                f"The training loss that is left, {left}, is about the same "
                "and does not explain it."
            )
        return sentences
    lower = "small" if small < large else "large"
    sentences.append(
        f"And in how far they follow the training loss f that is left, {left}: "
        if sentences
        else f"The training loss f that is left is {left}: "
    )
    sentences[-1] += (
        "with cross-entropy, eigenvalues and φ in a small box fall with it, "
        f"which makes the {lower}-batch minimum look flatter by them than it "
        "would at the other's loss. " + _on_the_normalisation(small, large)
    )
    return sentences


def _on_the_normalisation(small: float, large: float) -> str:
    factors = f"{1 + small:.4g} (small batch) and {1 + large:.4g} (large batch)"
    low, high = sorted((1 + small, 1 + large))
    if low <= 0:
        return "φ divides the rise by 1 + f, which such a loss makes no use of."
    if high / low < _ALIKE:
        return (
            f"φ divides the rise by 1 + f, here {factors}, which does not take "
            "that out."
        )
    higher = "small" if small > large else "large"
    return (
        f"φ divides the rise by 1 + f, here {factors}: the same rise counts "
        f"{ratio_text(high / low)} times less at the {higher}-batch minimum."
    )


def verdict_on_generalisation(frame: pd.DataFrame, num_test: int | None) -> str:
    """Which minimum generalises better, as far as seeds and samples tell.

    The interval is that of `PairedAccuracy`.

    Args:
        frame: DataFrame, one row per run.
        num_test: Int. The number of test samples, or None where it is not
            known.

    Returns:
        Str.
    """
    pairs = frame.pivot(index="seed", columns="batch", values="test_accuracy")
    pairs = 100 * pairs.astype(float)
    if not np.isfinite(pairs.to_numpy()).all():
        return _by_test_loss(frame)
    small, large = pairs["small"], pairs["large"]
    accuracies = (
        f"test accuracy {small.mean():.2f} % (small batch) against "
        f"{large.mean():.2f} % (large batch)"
    )
    found = PairedAccuracy.of(small / 100, large / 100, num_test=num_test)
    if found.num_pairs == 1:
        return (
            "One seed cannot tell which minimum generalises better: "
            f"{accuracies}."
        )
    if not np.isfinite(found.margin):
        return (
            f"{found.num_pairs} seeds cannot tell which minimum generalises "
            f"better: {accuracies}, the same difference in every seed, so "
            "nothing tells how it varies."
        )
    difference = (
        f"{accuracies}, a difference of {found.gap:+.2f} percentage points, "
        f"95 % confidence interval {found.interval()}"
    )
    note = f" {found.note}" if found.note else ""
    if found.side == 0:
        return (
            f"{found.num_pairs} seeds cannot tell which minimum generalises "
            f"better: {difference}.{note}"
        )
    better = "large" if found.side > 0 else "small"
    return f"The {better}-batch minimum generalises better: {difference}.{note}"


def _by_test_loss(frame: pd.DataFrame) -> str:
    """The same where there is no accuracy: by the loss on the test data."""
    losses: Any = frame.groupby("batch")["test_loss"].mean()
    ratio = paired(frame, "test_loss")
    both = (
        f"test loss {losses['small']:.3g} (small batch) against "
        f"{losses['large']:.3g} (large batch)"
    )
    if ratio.num_pairs == 1 or ratio.side == 0:
        return (
            f"{_seeds(ratio.num_pairs)} cannot tell which minimum generalises "
            f"better: {both}, large / small {ratio}."
        )
    better = "small" if ratio.side > 0 else "large"
    return (
        f"The {better}-batch minimum generalises better: {both}, large / small "
        f"with its 95 % confidence interval {ratio}."
    )


def _listed(measures: list[Measure]) -> str:
    return "; ".join(f"{m.name}, {m.ratio}" for m in measures)


def _sharper(measures: list[Measure], side: int) -> str:
    parts = []
    for measure in measures:
        ratio = measure.ratio if side > 0 else measure.ratio.inverse
        parts.append(
            f"{measure.name}, {ratio_text(ratio.ratio)} times sharper "
            f"({ratio.interval()})"
        )
    return "; ".join(parts)


def _share(number: int, total: int) -> str:
    if number == total:
        return "the one measure" if total == 1 else f"all {total} measures"
    return f"{number} of {total} measures"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _seeds(number: int) -> str:
    return "One seed" if number == 1 else f"{number} seeds"
