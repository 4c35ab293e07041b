"""Extreme eigenvalues of the Hessian, with residuals."""

import dataclasses
import functools
import time
import warnings
from typing import Any, Literal

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.flat_arrays import MAX_BLOCK
from keras_sharpness.metrics.numerics.basis import (
    BasisDtype,
    HostBasis,
)
from keras_sharpness.metrics.numerics.power_iteration import power_iteration
from keras_sharpness.metrics.numerics.products import Products
from keras_sharpness.metrics.numerics.thick_restart import (
    Extremes,
    thick_restart_lanczos,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import as_operator, described
from keras_sharpness.metrics.rounding import (
    choose_basis_dtype,
    rounding_of_products,
    underflow_of_products,
)
from keras_sharpness.progress import ProgressOption, track
from keras_sharpness.result_types import lengths_agree
from keras_sharpness.results import Result

Which = Literal["largest", "smallest", "both"]
Method = Literal["lanczos", "power"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Eigenvalues(Result):
    """Eigenvalues, how they were found and how far to trust them.

    Attributes:
        eigenvalues: Array (k,), descending; (2k,) for both ends.
        residuals: Array (k,). ‖H u − λ u‖ with ‖u‖ = 1, and for `"lanczos"`
            what rounding may add: `(10 ε + 2 η) ‖H‖`, ε being the machine
            epsilon of the basis and η that of the products, and what may have
            underflowed: in float32 `√P` 1e-38, so that 0 is said to be no more
            exact. An eigenvalue of H lies within this distance of λ.
        converged: Array (k,), bool. Whether ‖H u − λ u‖ is as small as
            `tolerance` asks, or as rounding allows, and for `"lanczos"` the
            chance that an eigenvalue which belongs before this one was missed
            at most `miss_probability`.
        eigenvectors: Array (P, k), or None unless asked for.
        block_size: Int. How many vectors the search started from.
        num_initial_vectors: Int. How many were given to start from.
        num_products: Int. Products with H.
        num_checking_products: Int. Those of them that were made when all
            residuals were small enough, to see that nothing was missed.
        num_pilot_samples: Int. Samples of a search before this one, on these
            alone, for a vector to start from; 0 where there was none.
        num_pilot_products: Int. Products with their Hessian, which
            `num_products` does not count.
        seconds: Float. All of it.
        product_seconds: Float. The part spent in products.
        matrix: Str. Which matrix it is: `"hessian"`, `"gauss-newton"`,
            `"fisher"`, …, and of which variables, where not of all;
            `"operator"` where it is none of an objective's, None in files of
            earlier versions.
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
    matrix: str | None = None
    # Files of the first release do not say.
    block_size: int | None = None
    basis_dtype: str = "float64"
    num_initial_vectors: int = 0
    num_pilot_samples: int = 0
    num_pilot_products: int = 0
    miss_probability: float | None = None
    num_checking_products: int = 0

    def check(self) -> None:
        """Refuses eigenvalues and residuals of several numbers."""
        super().check()
        lengths_agree(
            eigenvalues=self.eigenvalues,
            residuals=self.residuals,
            converged=self.converged,
        )


def hessian_eigenvalues(
    objective: Objective | LinearOperator,
    *,
    k: int = 1,
    which: Which = "largest",
    method: Method = "lanczos",
    tolerance: float = 1e-3,
    max_products: int | None = None,
    eigenvectors: bool = False,
    initial_vectors: np.ndarray | None = None,
    block_size: int | None = None,
    basis_dtype: BasisDtype | None = None,
    miss_probability: float | None = 1e-3,
    w: np.ndarray | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Eigenvalues:
    """The k largest or smallest eigenvalues of the Hessian of the loss.

    H = ∇²f(w), f being the mean loss (`Objective`). `"lanczos"` is block
    Lanczos with thick restart. It stops as soon as every residual ‖H u − λ u‖
    is at most `tolerance · |λ|`, for the smallest `tolerance · max |λ|`, and
    nothing larger by that much (or smaller, for the smallest) can have been
    missed but with a chance of `miss_probability`: some four more products
    for one eigenvalue. Multiple eigenvalues come with all their copies.
    With n eigenvalues wanted, k or for both ends
    2k, its vectors take `4 P (2 n + 20)` bytes, however many products it
    needs, and twice that in float64. Beside them and what a product itself
    needs there are `8 P b` at its peak, b being `block_size`, or n at the end
    when the eigenvectors are asked for.

    `"power"` is the power iteration with deflation of Yao et al., for
    comparison: it finds the eigenvalues of largest magnitude, stops when an
    eigenvalue changes by less than `tolerance · |λ|` at a residual of
    `√tolerance` of the largest at most, and needs many more products for the
    same residual. It cannot tell what it has missed.

    Args:
        objective: `Objective`, or any symmetric SciPy `LinearOperator`.
        k: Int. How many, from each end that is asked for.
        which: Str. `"largest"`, `"smallest"` (most negative) or `"both"`.
        method: Str. `"lanczos"` or `"power"`.
        tolerance: Float. Residual relative to |λ|; for the smallest, which
            are near 0 at most minima, to the largest |λ| that the search met.
        max_products: Int. By default `40 n`, at least 100, and twice that for
            the smallest: these lie at the edge of many.
        eigenvectors: Bool. Whether to return the vectors.
        initial_vectors: Array (P, m): vectors to begin with beside random
            ones, such as the `eigenvectors` found a training step ago. They
            save products where `miss_probability` is None: while they are
            still good, few suffice. An eigenvector that had no part in them
            may then be missed: ask for one or two more eigenvalues than you
            watch, so that one that overtakes them is seen, and start without
            from time to time. Lengths and signs do not matter.
        block_size: Int, at most 8. How many random vectors the search starts
            from; by default 2, and one for k = 1. Where an eigenvalue has as
            many copies more are taken.
        basis_dtype: Str. `"float64"` or `"float32"`: what the vectors are
            kept in. By default float32 for an objective with float32 weights,
            whose products are rounded as much, float64 otherwise. In float32
            a residual of 1.4e-6 times the largest eigenvalue is as small as
            rounding allows.
        miss_probability: Float. The chance at most, over the random start
            vectors and whatever the matrix, that an eigenvalue larger by more
            than the tolerance than one of those returned as converged is
            missed. None to stop by the residuals alone: at a tolerance of
            0.05 one of ten such searches of networks returned the second
            eigenvalue for the first.
        w: Array (P,), the point; the model's weights when left out.
        seed: Int. For the start vectors.
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

    before = ks.hessian_eigenvalues(operator, k=2, eigenvectors=True)
    moved = aslinearoperator(np.diag([3.1, 1.1, -2.0]))
    top = ks.hessian_eigenvalues(
        moved,
        k=2,
        initial_vectors=before.eigenvectors,
        miss_probability=None,
    )
    assert np.allclose(top.eigenvalues, [3.1, 1.1])
    ```

    Reference:
        Lanczos 1950, https://doi.org/10.6028/jres.045.026; Wu and Simon 2000,
        https://doi.org/10.1137/S0895479898334605, for the restart;
        Kuczyński and Woźniakowski 1992, https://doi.org/10.1137/0613066, for
        random starts and what they may miss; Yao et al.
        2018, https://arxiv.org/abs/1802.08241, for the power iteration.
    """
    clock = time.perf_counter()
    operator = as_operator(objective, w)
    size = operator.shape[0]
    _check_options(
        k, which, method, tolerance, max_products, block_size, basis_dtype, size
    )
    seed = arguments.seed(seed)
    arguments.boolean("eigenvectors", eigenvectors)
    wanted = 2 * k if which == "both" else k
    miss_probability = arguments.real(
        "miss_probability", miss_probability, above=0.0, most=1.0, optional=True
    )
    if initial_vectors is not None:
        initial_vectors = _check_vectors(initial_vectors, size)
    if method == "power":
        limit, solve, options = max_products or 100 * k, power_iteration, {}
        block_size, basis_dtype, miss_probability = 1, "float64", None
    else:
        # On F1 after five epochs the top five take 22 products from a single
        # vector, 28 from two and 38 from five. From two, doubled eigenvalues
        # are found, and those that are not doubled known not to be. A single
        # eigenvalue has no copies to miss.
        block_size = block_size or min(k, 2)
        limit, solve = (
            max_products or max(100, 40 * wanted) * (1 + (which != "largest")),
            thick_restart_lanczos,
        )
        basis_dtype = choose_basis_dtype(operator, basis_dtype)
        options = {
            "which": which,
            "block_size": block_size,
            "make_basis": functools.partial(HostBasis, size, dtype=basis_dtype),
            "rounding": rounding_of_products(operator),
            "underflow": underflow_of_products(operator),
            "miss_probability": miss_probability,
        }
    with track("Hessian eigenvalues", limit, progress) as advance:
        multiply = Products(operator, advance)
        found = solve(
            multiply,
            size,
            k=k,
            tolerance=tolerance,
            max_products=limit,
            seed=seed,
            initial_vectors=initial_vectors,
            **options,
        )
    _warn(found, method, tolerance, miss_probability, multiply.count)
    return Eigenvalues(
        eigenvalues=found.values,
        residuals=found.residuals,
        converged=found.converged,
        eigenvectors=found.vectors() if eigenvectors else None,
        which=which,
        method=method,
        tolerance=tolerance,
        max_products=limit,
        block_size=block_size,
        basis_dtype=basis_dtype,
        num_initial_vectors=(
            0 if initial_vectors is None else initial_vectors.shape[1]
        ),
        num_products=multiply.count,
        num_checking_products=found.num_checking,
        miss_probability=miss_probability,
        seconds=time.perf_counter() - clock,
        product_seconds=multiply.seconds,
        seed=seed,
        **described(operator),
    )


def _warn(
    found: Extremes,
    method: str,
    tolerance: float,
    miss_probability: float | None,
    num_products: int,
) -> None:
    """Says what is not to be relied on."""
    poor, remedy = ~found.converged, "`max_products` or `tolerance`"
    if method == "power":
        # It stops by the eigenvalue, which is as good as the square of this,
        # and among others no better than those were taken away.
        tolerance = np.sqrt(tolerance)
        poor = found.residuals > tolerance * np.max(np.abs(found.values))
        remedy += ", or `method='lanczos'`, which tells λ from -λ"
    if not np.any(poor):
        return
    trouble = (
        "may come after one that was missed, with a chance above "
        f"miss_probability={miss_probability},"
        if np.all(found.settled[poor])
        else f"have a residual above {tolerance:.3g} of what they are"
    )
    warnings.warn(
        f"{np.count_nonzero(poor)} of {len(poor)} eigenvalues {trouble} after "
        f"{num_products} products. Pass a larger {remedy}.",
        stacklevel=3,
    )


def _check_options(
    k: int,
    which: str,
    method: str,
    tolerance: float,
    max_products: int | None,
    block_size: int | None,
    basis_dtype: str | None,
    size: int,
) -> None:
    arguments.one_of("which", which, Which)
    arguments.one_of("method", method, Method)
    if method == "power" and which != "largest":
        raise ValueError(
            "The power iteration finds the eigenvalues of largest magnitude. "
            f"Received: which={which!r}. Pass `method='lanczos'`."
        )
    if method == "power" and basis_dtype is not None:
        raise ValueError(
            "The power iteration keeps no basis. Received: "
            f"basis_dtype={basis_dtype!r}. Pass `method='lanczos'`."
        )
    if which == "both" and size < 2:
        raise ValueError(
            "A spectrum has two ends where there are at least two weights. "
            "Received: which='both' for 1 weight. Pass `which='largest'`."
        )
    most = size // 2 if which == "both" else size
    arguments.integer(
        "k", k, least=1, most=most, remedy=f"There are {size} weights."
    )
    arguments.real("tolerance", tolerance, above=0.0)
    wanted = 2 * k if which == "both" else k
    arguments.integer(
        "max_products",
        max_products,
        least=wanted,
        optional=True,
        remedy=f"There are {wanted} eigenvalues to find.",
    )
    if block_size is None:
        return
    if method == "power":
        raise ValueError(
            "The power iteration multiplies one vector at a time. Received: "
            f"block_size={block_size}. Pass `method='lanczos'`."
        )
    arguments.integer("block_size", block_size, least=1, most=MAX_BLOCK)


def _check_vectors(vectors: np.ndarray, size: int) -> np.ndarray:
    vectors = arguments.real_array("initial_vectors", vectors, dtype=None)
    if vectors.ndim != 2 or len(vectors) != size or not vectors.shape[1]:
        raise ValueError(
            f"`initial_vectors` must have shape ({size}, m), vectors as "
            f"columns. Received: shape {vectors.shape}. Ask for the earlier "
            "ones with `eigenvectors=True`."
        )
    # One vector at a time: a mask of all takes as much as a vector.
    for column, vector in enumerate(vectors.T):
        if not np.all(np.isfinite(vector)) or not np.any(vector):
            raise ValueError(
                "`initial_vectors` must be finite and not zero. Received: "
                f"column {column} with norm {np.linalg.norm(vector)}. Leave "
                "it out, or start without."
            )
    return vectors
