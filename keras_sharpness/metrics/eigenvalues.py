"""Extreme eigenvalues of the Hessian, with residuals."""

import dataclasses
import time
import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness.metrics.lanczos import Lanczos
from keras_sharpness.metrics.objective import MAX_BLOCK, Objective
from keras_sharpness.metrics.operators import as_operator
from keras_sharpness.metrics.power_iteration import power_iteration
from keras_sharpness.metrics.products import Products
from keras_sharpness.progress import ProgressOption, track
from keras_sharpness.results import Result

Which = Literal["largest", "smallest", "both"]
Method = Literal["lanczos", "power"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Eigenvalues(Result):
    """Eigenvalues, how they were found and how far to trust them.

    Attributes:
        eigenvalues: Array (k,), descending; (2k,) for both ends.
        residuals: Array (k,). ‖H u − λ u‖ with ‖u‖ = 1; an eigenvalue of H
            lies within this distance of λ.
        converged: Array (k,), bool. Whether the residual is below
            `tolerance · |λ|`.
        eigenvectors: Array (P, k), or None unless asked for.
        num_products: Int. Products with H.
        seconds: Float. All of it.
        product_seconds: Float. The part spent in products.
        objective: Dict. Settings of the objective; empty for an operator.
    """

    eigenvalues: np.ndarray
    residuals: np.ndarray
    converged: np.ndarray
    eigenvectors: np.ndarray | None
    which: str
    method: str
    tolerance: float
    max_products: int
    num_products: int
    seconds: float
    product_seconds: float
    seed: int
    objective: dict[str, Any]


def hessian_eigenvalues(
    objective: Objective | LinearOperator,
    *,
    k: int = 1,
    which: Which = "largest",
    method: Method = "lanczos",
    tolerance: float = 1e-3,
    max_products: int | None = None,
    eigenvectors: bool = False,
    w: np.ndarray | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Eigenvalues:
    """The k largest or smallest eigenvalues of the Hessian of the loss.

    H = ∇²f(w), f being the mean loss (`Objective`). `"lanczos"` keeps all its
    vectors in float64 (8 P bytes for each product), multiplies k of them at a
    time, so that multiple eigenvalues are found, and stops as soon as every
    residual ‖H u − λ u‖ is at most `tolerance · |λ|`. `"power"` is the
    power iteration with deflation of Yao et al., for comparison: it finds the
    eigenvalues of largest magnitude, stops when an eigenvalue changes by less
    than `tolerance · |λ|`, and needs many more products for the same residual.

    Args:
        objective: `Objective`, or any symmetric SciPy `LinearOperator`.
        k: Int. How many, from each end that is asked for.
        which: Str. `"largest"`, `"smallest"` (most negative) or `"both"`.
        method: Str. `"lanczos"` or `"power"`.
        tolerance: Float. Relative residual.
        max_products: Int. By default `40 k`, at least 100 and at most P.
        eigenvectors: Bool. Whether to return the vectors.
        w: Array (P,), the point; the model's weights when left out.
        seed: Int. For the start vector.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        An `Eigenvalues`. What has not converged is marked, with a warning.

    Raises:
        ValueError: For options out of range.
        FloatingPointError: If a product is not finite.

    Example:

    ```python
    import keras_sharpness as ks
    import numpy as np
    from scipy.sparse.linalg import aslinearoperator

    operator = aslinearoperator(np.diag([3.0, 1.0, -2.0]))
    top = ks.hessian_eigenvalues(operator, k=1)
    assert np.isclose(top.eigenvalues[0], 3.0)
    ```

    Reference:
        Lanczos 1950, https://doi.org/10.6028/jres.045.026; Yao et al. 2018,
        https://arxiv.org/abs/1802.08241, for the power iteration.
    """
    clock = time.perf_counter()
    operator = as_operator(objective, w)
    size = operator.shape[0]
    _check_options(k, which, method, tolerance, max_products, size)
    limit = min(max_products or max(100, 40 * k), size)
    if method == "power":
        limit = max_products or 100 * k
    with track("Hessian eigenvalues", limit, progress) as advance:
        multiply = Products(operator, advance)
        solve = _lanczos if method == "lanczos" else power_iteration
        values, residuals, vectors = solve(
            multiply,
            size,
            k=k,
            which=which,
            tolerance=tolerance,
            max_products=limit,
            seed=seed,
        )
    # A residual cannot be smaller than the rounding of a product.
    floor = 10 * np.finfo(np.float64).eps * np.max(np.abs(values))
    converged = residuals <= np.maximum(tolerance * np.abs(values), floor)
    if method == "lanczos" and not np.all(converged):
        warnings.warn(
            f"{np.count_nonzero(~converged)} of {len(values)} eigenvalues have "
            f"a residual above tolerance={tolerance} after {multiply.count} "
            "products. Pass a larger `max_products` or `tolerance`.",
            stacklevel=2,
        )
    return Eigenvalues(
        eigenvalues=values,
        residuals=residuals,
        converged=converged,
        eigenvectors=vectors() if eigenvectors else None,
        which=which,
        method=method,
        tolerance=tolerance,
        max_products=limit,
        num_products=multiply.count,
        seconds=time.perf_counter() - clock,
        product_seconds=multiply.seconds,
        seed=seed,
        objective=getattr(objective, "settings", {}),
    )


def _lanczos(
    multiply: Callable[[np.ndarray], np.ndarray],
    size: int,
    *,
    k: int,
    which: str,
    tolerance: float,
    max_products: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, Callable[[], np.ndarray]]:
    lanczos = Lanczos(multiply, size, block_size=min(k, MAX_BLOCK), seed=seed)
    wanted = 2 * k if which == "both" else k
    while True:
        lanczos.step()
        ritz = lanczos.ritz()
        chosen = _choose(len(ritz.values), k, which)
        values, residuals = ritz.values[chosen], ritz.residuals[chosen]
        floor = 10 * np.finfo(np.float64).eps * np.max(np.abs(ritz.values))
        small = residuals <= np.maximum(tolerance * np.abs(values), floor)
        enough = len(chosen) == wanted and np.all(small)
        if (
            enough
            or not 0 < lanczos.next_size <= max_products - lanczos.num_vectors
        ):
            break
    return (
        values,
        residuals,
        lambda: lanczos.vectors(ritz.coordinates[:, chosen]),
    )


def _choose(available: int, k: int, which: str) -> np.ndarray:
    """Places of the wanted among ascending values, largest first."""
    places = np.arange(available)[::-1]
    if which == "both":
        return places if available <= 2 * k else np.r_[places[:k], places[-k:]]
    return places[:k] if which == "largest" else places[-k:]


def _check_options(
    k: int,
    which: str,
    method: str,
    tolerance: float,
    max_products: int | None,
    size: int,
) -> None:
    for name, value, allowed in (
        ("which", which, get_args(Which)),
        ("method", method, get_args(Method)),
    ):
        if value not in allowed:
            raise ValueError(
                f"`{name}` must be one of {', '.join(map(repr, allowed))}. "
                f"Received: {name}={value!r}."
            )
    if method == "power" and which != "largest":
        raise ValueError(
            "The power iteration finds the eigenvalues of largest magnitude. "
            f"Received: which={which!r}. Pass `method='lanczos'`."
        )
    most = size // 2 if which == "both" else size
    if not 1 <= k <= most:
        raise ValueError(
            f"`k` must lie between 1 and {most} for {size} weights. "
            f"Received: k={k}."
        )
    if not tolerance > 0.0:
        raise ValueError(
            f"`tolerance` must be positive. Received: tolerance={tolerance}."
        )
    if max_products is not None and max_products < k:
        raise ValueError(
            f"`max_products` must be at least k={k}. "
            f"Received: max_products={max_products}."
        )
