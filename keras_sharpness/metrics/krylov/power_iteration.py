"""Power iteration with deflation, as Yao et al. measured the spectrum."""

from collections.abc import Callable

import numpy as np


def power_iteration(
    multiply: Callable[[np.ndarray], np.ndarray],
    size: int,
    *,
    k: int,
    which: str = "largest",
    tolerance: float,
    max_products: int,
    seed: int,
    initial_vectors: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[], np.ndarray]]:
    """The k eigenvalues of largest magnitude of a symmetric operator.

    `v ← A v / ‖A v‖`, kept orthogonal to the vectors found before; stops when
    `λ = vᵀ A v` changes by less than `tolerance · |λ|`.

    Args:
        multiply: Callable, (P, 1) → A times it (P, 1).
        size: Int. P.
        k: Int.
        which: Str. `"largest"`, by magnitude; the method has no choice.
        tolerance: Float. Relative change at which to stop.
        max_products: Int. Shared evenly by the k vectors.
        seed: Int. For the starts, which are N(0, 1).
        initial_vectors: Array (P, m), the first m starts instead.

    Returns:
        Eigenvalues (k,) descending, residuals ‖A v − λ v‖ (k,), whether these
        are at most `tolerance · |λ|`, or what rounding allows, (k,), and a
        function that returns the vectors (P, k).

    Reference:
        Yao et al. 2018, https://arxiv.org/abs/1802.08241.
    """
    del which
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
            v = v - (found @ v) @ found
            v = v / np.linalg.norm(v)
            product = multiply(v[:, None])[:, 0]
            value = float(v @ product)
            residual = float(np.linalg.norm(product - value * v))
            pair, v = v, product
            if abs(value - before) <= tolerance * abs(value) or residual == 0.0:
                break
            before = value
        found = np.vstack([found, pair])
        values.append(value)
        residuals.append(residual)
    order = np.argsort(values)[::-1]
    sizes = np.abs(values)
    floor = 10 * np.finfo(np.float64).eps * np.max(sizes)
    return (
        np.array(values)[order],
        np.array(residuals)[order],
        (residuals <= np.maximum(tolerance * sizes, floor))[order],
        lambda: found[order].T,
    )
