"""Derivatives against central differences."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_sharpness.metrics.objective import Objective


@dataclasses.dataclass(frozen=True)
class Differences:
    """How far derivatives are from central differences.

    Attributes:
        gradient: Float. Relative difference of gᵀv and the change of the loss.
        product: Float. Relative difference of H v and the change of the
            gradient.
        variable: Str. Path of the variable whose rows of H v differ most.
    """

    gradient: float
    product: float
    variable: str


def typical_weight(w: np.ndarray) -> float:
    """Root mean square of the weights, 1 where all are zero."""
    return float(np.sqrt(np.mean(np.square(w)))) or 1.0


def differences(
    objective: Objective,
    w: np.ndarray,
    vectors: np.ndarray,
    products: np.ndarray,
    *,
    steps: Sequence[float],
    limit: float,
    epsilon: float,
) -> Differences:
    """Compares gradient and Hessian products at w with central differences.

    `(f(w + h v) − f(w − h v)) / 2h` with gᵀv, and the same of g with H v, for
    a step h of `step` times the weights' root mean square. Steps are tried in
    turn until both agree to `limit`, and the best one counts: too long a step
    crosses kinks and sees higher derivatives, too short a one is lost in
    rounding, and no step makes a wrong derivative agree.

    A difference is relative to the derivative, or, where that vanishes, to
    what rounding makes of zero in the first step.

    Args:
        objective: `Objective`.
        w: Array (P,).
        vectors: Array (P, k), of entries of order 1.
        products: Array (P, k), H times these.
        steps: Sequence of float, descending.
        limit: Float.
        epsilon: Float. The precision in which the objective is evaluated.

    Returns:
        The worst `Differences` over the vectors.
    """
    gradient = objective.gradient(w)
    unit = typical_weight(w)
    noise = 10 * epsilon / (steps[0] * limit) / unit
    worst = Differences(0.0, 0.0, "")
    for v, product in zip(vectors.T, products.T, strict=True):
        best_slope, best_product = np.inf, np.inf
        rest = np.zeros_like(product)
        for step in steps:
            value, slope, change = _central(objective, w, v, step * unit)
            slope_scale = max(
                abs(gradient @ v), unit * abs(v @ product), noise * abs(value)
            )
            scale = max(
                np.linalg.norm(product), noise * np.linalg.norm(gradient)
            )
            error = np.linalg.norm(change - product) / _positive(scale)
            best_slope = min(
                best_slope, abs(slope - gradient @ v) / _positive(slope_scale)
            )
            if error < best_product:
                best_product, rest = error, change - product
            if best_slope <= limit and best_product <= limit:
                break
        variable = max(
            objective.layout.slices.items(),
            key=lambda item: np.linalg.norm(rest[item[1]]),
        )[0]
        worst = Differences(
            gradient=max(worst.gradient, float(best_slope)),
            product=max(worst.product, float(best_product)),
            variable=(
                variable if best_product >= worst.product else worst.variable
            ),
        )
    return worst


def bend(
    objective: Objective, w: np.ndarray, v: np.ndarray, product: np.ndarray
) -> float:
    """What H v misses of the gradient's change over a finite step.

    `‖g(w + h v) − g(w − h v) − 2h H v‖ / ‖2h H v‖`, h a thousandth of the
    weights' root mean square: third derivatives, and kinks on the way.

    Args:
        objective: `Objective`.
        w: Array (P,).
        v: Array (P,), of entries of order 1.
        product: Array (P,), H v.

    Returns:
        Float, NaN where H v is zero.
    """
    change = _central(objective, w, v, 1e-3 * typical_weight(w))[2]
    norm = np.linalg.norm(product)
    return float(np.linalg.norm(change - product) / norm) if norm else np.nan


def _central(
    objective: Objective, w: np.ndarray, v: np.ndarray, step: float
) -> tuple[float, float, np.ndarray]:
    f_1, g_1 = objective.value_and_gradient(w + step * v)
    f_2, g_2 = objective.value_and_gradient(w - step * v)
    return f_1, (f_1 - f_2) / (2 * step), (g_1 - g_2) / (2 * step)


def _positive(scale: float) -> float:
    return max(scale, np.finfo(np.float64).tiny)
