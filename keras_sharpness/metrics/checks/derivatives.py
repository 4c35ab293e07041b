"""Gradient and Hessian against differences, in float64 where possible."""

import numpy as np

from keras_sharpness.metrics.checks.differences import (
    bend,
    differences,
    typical_weight,
)
from keras_sharpness.metrics.checks.float64_copy import (
    NoFloat64CopyError,
    float64_objective,
)
from keras_sharpness.metrics.checks.precision import epsilon, lowest
from keras_sharpness.metrics.checks.row import CheckRow, listed
from keras_sharpness.metrics.checks.smoothness import Smoothness, smoothness
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.other_data import first_batches, with_batches

# In float64 the first step leaves 1e-10 of third derivatives and 1e-11 of
# rounding, times what a deep network makes of them. The later ones are for
# kinks: the shorter the step, the fewer on the way.
_FLOAT64_STEPS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
_FLOAT64_LIMIT = 1e-5
# A product good to three digits is good for any plot; one that is wrong in
# the first digit for none.
_PRECISE = 1e-3
_IMPRECISE = 1e-1


def derivative_rows(
    objective: Objective,
    w: np.ndarray,
    vectors: np.ndarray,
    products: np.ndarray,
    max_samples: int,
    smooth: Smoothness,
    dtype: str,
) -> tuple[list[CheckRow], float]:
    """Rows on gradient, product and precision.

    Args:
        objective: `Objective`.
        w: Array (P,).
        vectors: Array (P, k).
        products: Array (P, k), on all data.
        max_samples: Int. Samples to compare on.
        smooth: `Smoothness`. What has kinks.
        dtype: Str. The least precise one that the objective computes in.

    Returns:
        List of `CheckRow`; and what H misses over a finite step, see `bend`.
    """
    batches = first_batches(objective, max_samples)
    num_samples = sum(batch.size for batch in batches)
    # The derivatives of "recalibrate" hold the statistics fixed, so that
    # differences have to, too.
    own = with_batches(objective, batches, num_samples, hold_statistics=True)
    if (
        num_samples < objective.num_samples
        or objective.batch_norm == "recalibrate"
    ):
        products = _one_by_one(own, vectors, w)
    try:
        exact = float64_objective(own, batches, w)
    except NoFloat64CopyError as error:
        place = (
            f"Compared in {dtype}, as the model cannot be copied to float64 "
            f"({error})."
        )
        rows = _compare(own, w, vectors, products, dtype, smooth, place)
        return rows, bend(own, w, vectors[:, 0], products[:, 0])
    truth = _one_by_one(exact, vectors, w)
    place = f"Compared in a float64 copy, on {num_samples} samples."
    casts = smoothness(exact).narrowed
    exact_dtype = lowest(["float64", *casts])
    if casts:
        parts = listed([part for where in casts.values() for part in where])
        place = (
            f"{place[:-1]}, of which {parts} computes in {exact_dtype} all the "
            "same: so is the limit."
        )
    rows = _compare(exact, w, vectors, truth, exact_dtype, smooth, place)
    rows.append(_precision_row(products, truth, dtype))
    return rows, bend(exact, w, vectors[:, 0], truth[:, 0])


def _one_by_one(
    objective: Objective, vectors: np.ndarray, w: np.ndarray
) -> np.ndarray:
    # A block would be compiled for itself.
    return np.stack(
        [objective.hessian_product(v, w) for v in vectors.T], axis=1
    )


def _compare(
    objective: Objective,
    w: np.ndarray,
    vectors: np.ndarray,
    products: np.ndarray,
    dtype: str,
    smooth: Smoothness,
    place: str,
) -> list[CheckRow]:
    eps = epsilon(dtype)
    steps, limit = _FLOAT64_STEPS, _FLOAT64_LIMIT
    if dtype != "float64":
        # The best step is about the cube root, and the error its square times
        # what a network makes of it; a tenfold root is ample.
        steps = tuple(np.cbrt(eps) * np.array([3, 1, 0.3, 0.1, 0.03]))
        limit = float(min(10 * np.cbrt(eps), 0.5))
    options = {"steps": steps, "limit": limit, "epsilon": eps}
    found = differences(objective, w, vectors, products, **options)
    if max(found.gradient, found.product) <= limit:
        verdict, why = "ok", ""
    elif smooth.kinks and dtype != "float64" and found.gradient <= limit:
        # The loss has no jumps, so that its differences tell all the same.
        verdict = "note"
        why = "Undecided: a step long enough for this precision crosses kinks. "
    else:
        verdict, why = _away_from_kinks(
            objective, w, vectors, smooth, dtype, options
        )
    return [
        _row("gradient", found.gradient, limit, verdict, why, place, smooth),
        _row(
            "product",
            found.product,
            limit,
            verdict,
            why + (f"Worst in {found.variable}. " if verdict != "ok" else ""),
            place,
            smooth,
        ),
    ]


def _away_from_kinks(
    objective: Objective,
    w: np.ndarray,
    vectors: np.ndarray,
    smooth: Smoothness,
    dtype: str,
    options: dict,
) -> tuple[str, str]:
    """Whether derivatives that are wrong at w are right near w.

    New biases of zero put ReLU units on zero inputs exactly onto their kink.
    """
    if not smooth.kinks:
        return "fail", ""
    aside = w + 1e-3 * typical_weight(w) * np.roll(vectors[:, 0], 1)
    products = objective.hessian_product(vectors, aside)
    near = differences(objective, aside, vectors, products, **options)
    rest = near.gradient
    if dtype == "float64":
        rest = max(rest, near.product)
    if rest > options["limit"]:
        return "fail", ""
    return "note", (
        "Right a thousandth of the weights away from w, but not at w, which "
        "lies on kinks: derivatives are one-sided there. "
    )


def _row(
    name: str,
    value: float,
    limit: float,
    verdict: str,
    why: str,
    place: str,
    smooth: Smoothness,
) -> CheckRow:
    if value <= limit:
        what = {
            "gradient": "The gradient is the derivative of the loss. ",
            "product": "The product is the derivative of the gradient. ",
        }[name]
        return CheckRow(name, "ok", value, limit, what + place)
    if verdict == "fail":
        what = {
            "gradient": "The gradient is not the derivative of the loss. ",
            "product": "The product is not the derivative of the gradient. ",
        }[name]
        if smooth.cuts:
            why += f"Derivatives are cut in {listed(smooth.cuts)}. "
        why = what + why
    return CheckRow(name, verdict, value, limit, why + place)


def _precision_row(
    products: np.ndarray, truth: np.ndarray, dtype: str
) -> CheckRow:
    norm = np.linalg.norm(truth)
    value = float(np.linalg.norm(products - truth) / norm) if norm else 0.0
    if value <= _PRECISE:
        verdict, what = "ok", "good enough for any curvature."
    elif value <= _IMPRECISE:
        verdict, what = (
            "note",
            "read the numbers to as many digits, or measure a float64 model.",
        )
    else:
        verdict, what = "fail", "measure in a wider dtype."
    return CheckRow(
        "precision",
        verdict,
        value,
        _PRECISE,
        f"Error of products in {dtype} against float64: {what}",
    )
