"""What is known of a model and its data that bears on its curvature."""

import numpy as np

from keras_sharpness.metrics.checks.differences import typical_weight
from keras_sharpness.metrics.checks.row import CheckRow, listed
from keras_sharpness.metrics.checks.smoothness import Smoothness
from keras_sharpness.metrics.loss.batch_norm import batch_norm_layers
from keras_sharpness.metrics.objective import Objective

# Below, numbers measured on other samples of the same data often differ by
# tens of percent; the largest eigenvalue, by factors.
_FEW_SAMPLES = 1000


def influence_row(
    objective: Objective,
    w: np.ndarray,
    products: np.ndarray,
    smooth: Smoothness,
    epsilon: float,
) -> CheckRow:
    """Weights whose gradient and rows of H are exactly zero.

    Args:
        objective: `Objective`.
        w: Array (P,).
        products: Array (P, k), H times random vectors.
        smooth: `Smoothness`. Which operations cut derivatives.
        epsilon: Float. The precision of the objective.

    Returns:
        A `CheckRow`.
    """
    zero = (objective.gradient(w) == 0.0) & np.all(products == 0.0, axis=1)
    share = float(np.mean(zero))
    slices = objective.layout.slices
    silent = [path for path, rows in slices.items() if np.all(zero[rows])]
    cut = _that_move_the_loss(objective, w, silent, epsilon)
    if cut:
        where = f" in {listed(smooth.cuts)}" if smooth.cuts else ""
        return CheckRow(
            "influence",
            "fail",
            share,
            None,
            f"The loss depends on {listed(cut)}, but all derivatives by them "
            f"are zero: they are cut off{where}.",
        )
    if silent:
        return CheckRow(
            "influence",
            "note",
            share,
            None,
            f"{listed(silent)} do not influence the loss here: not used, or "
            "behind units that are off for all samples.",
        )
    if share:
        return CheckRow(
            "influence",
            "ok",
            share,
            None,
            "Share of weights without influence: inputs that are always zero, "
            "tokens that do not occur, units that are off for all samples.",
        )
    return CheckRow(
        "influence", "ok", share, None, "Every weight influences the loss."
    )


def _that_move_the_loss(
    objective: Objective, w: np.ndarray, paths: list[str], epsilon: float
) -> list[str]:
    """Those of the variables on which the loss depends."""
    if not paths:
        return []
    loss = objective.value(w)
    generator = np.random.default_rng(0)
    moved = w.copy()
    for path in paths:
        rows = objective.layout.slices[path]
        # A hundredth: far enough to be rounded to other values, not so far as
        # to switch on units that are off.
        step = 1e-2 * typical_weight(w[rows])
        moved[rows] += step * generator.standard_normal(w[rows].shape)

    def moves(chosen):
        other = w.copy()
        for path in chosen:
            rows = objective.layout.slices[path]
            other[rows] = moved[rows]
        change = abs(objective.value(other) - loss)
        return change > 10 * epsilon * max(abs(loss), epsilon)

    if not moves(paths):
        return []
    return [path for path in paths if moves([path])]


def batch_norm_row(objective: Objective) -> list[CheckRow]:
    """What the mode of batch normalisation means for the numbers.

    Args:
        objective: `Objective`.

    Returns:
        List of one `CheckRow`, empty without such layers.
    """
    count = len(batch_norm_layers(objective.model))
    if not count:
        return []
    verdict, meaning = {
        "inference": (
            "ok",
            "the moving statistics are constants, as when the model is used.",
        ),
        "batch": (
            "note",
            "the loss depends on which samples share a batch; compare only "
            "numbers of the same batch size.",
        ),
        "recalibrate": (
            "note",
            "f re-estimates the statistics at every point, its derivatives "
            "hold them fixed.",
        ),
    }[objective.batch_norm]
    return [
        CheckRow(
            "batch norm",
            verdict,
            None,
            None,
            f"{count} layers in mode {objective.batch_norm!r}: {meaning}",
        )
    ]


def samples_row(objective: Objective) -> CheckRow:
    """Whether there are so few samples that their choice matters.

    Args:
        objective: `Objective`.

    Returns:
        A `CheckRow`.
    """
    count = objective.num_samples
    if count < _FEW_SAMPLES:
        return CheckRow(
            "samples",
            "note",
            float(count),
            float(_FEW_SAMPLES),
            "Few samples: other ones may give other numbers, the largest "
            "eigenvalue above all. Measure how far with ks.sampling_error.",
        )
    return CheckRow(
        "samples",
        "ok",
        float(count),
        float(_FEW_SAMPLES),
        "Many samples. ks.sampling_error tells how much their choice matters.",
    )
