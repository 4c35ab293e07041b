"""Power iteration with deflation, as Yao et al. measured the spectrum."""

from collections.abc import Callable

import numpy as np

from keras_sharpness.metrics.numerics.thick_restart import Extremes


def power_iteration(
    multiply: Callable[[np.ndarray], np.ndarray],
    size: int,
    *,
    k: int,
    tolerance: float,
    max_products: int,
    seed: int,
    initial_vectors: np.ndarray | None = None,
) -> Extremes:
    """The k eigenvalues of largest magnitude of a symmetric operator.

    `v ← A v / ‖A v‖`, kept orthogonal to the vectors found before; stops when
    `λ = vᵀ A v` changes by less than `tolerance · |λ|`, and the residual
    `‖A v − λ v‖` is at most `√tolerance` of the largest: where λ and −λ are
    both eigenvalues `vᵀ A v` does not change, and is neither.

    Args:
        multiply: Callable, (P, 1) → A times it (P, 1).
        size: Int. P.
        k: Int.
        tolerance: Float. Relative change at which to stop.
        max_products: Int. Shared evenly by the k vectors.
        seed: Int. For the starts, which are N(0, 1).
        initial_vectors: Array (P, m), the first m starts instead.

    Returns:
        `Extremes`, converged where residuals are at most `tolerance · |λ|`, or
        what rounding allows.

    Reference:
        Yao et al. 2018, https://arxiv.org/abs/1802.08241.
    """
    generator = np.random.default_rng(seed)
    found = np.zeros((0, size))
    values, residuals = [], []
    for i in range(k):
        v = generator.standard_normal(size)
        if initial_vectors is not None and i < initial_vectors.shape[1]:
            start = initial_vectors[:, i]
            start = start / np.linalg.norm(start)
            rest = start - (found @ start) @ found
            # Nothing but rounding is left of one among those found.
            v = rest if np.linalg.norm(rest) > 1e-6 else v
        before = np.nan
        for _ in range(max(1, max_products // k)):
            v = v / np.linalg.norm(v)
            v = v - (found @ v) @ found
            v = v / np.linalg.norm(v)
            product = multiply(v[:, None])[:, 0]
            # Squares of tiny and huge products leave the range of numbers.
            unit = float(np.max(np.abs(product))) or 1.0
            value = float(v @ (product / unit))
            pair, v = v, product / unit
            residual = float(np.linalg.norm(v - value * pair)) * unit
            value *= unit
            if residual == 0.0 or (
                abs(value - before) <= tolerance * abs(value)
                and residual
                <= np.sqrt(tolerance) * max(map(abs, [value, *values]))
            ):
                break
            before = value
        found = np.vstack([found, pair])
        values.append(value)
        residuals.append(residual)
    order = np.argsort(values)[::-1]
    sizes = np.abs(values)
    floor = 10 * np.finfo(np.float64).eps * np.max(sizes)
    settled = residuals <= np.maximum(tolerance * sizes, floor)
    return Extremes(
        values=np.array(values)[order],
        residuals=np.array(residuals)[order],
        settled=settled[order],
        converged=settled[order],
        vectors=lambda: found[order].T,
    )
