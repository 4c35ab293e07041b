"""The Frobenius norm of the Hessian, with its standard error."""

import dataclasses
import time
import warnings
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.numerics.probes import rademacher
from keras_sharpness.metrics.numerics.products import Products
from keras_sharpness.metrics.numerics.standard_error import standard_error
from keras_sharpness.metrics.numerics.stopping import Plan
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import as_operator, described
from keras_sharpness.progress import ProgressOption, track
from keras_sharpness.results import Result


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FrobeniusNorm(Result):
    """‖H‖_F, how it was estimated and how far to trust it.

    The truth lies within two standard errors in about 95 % of the cases, with
    fewer than 16 probes and one eigenvalue that dominates in 89 to 92 %. They
    are those of the sampling: the rounding of the products comes on top.

    Attributes:
        value: Float. √ of the mean of the samples.
        standard_error: Float. Its standard error.
        samples: Array (n,). ‖H v‖² of each probe.
        converged: Bool, whether the relative error was reached; None if none
            was asked for.
        num_probes: Int. n.
        relative_error: Float, or None. What was asked for.
        max_products: Int, or None. The budget.
        num_products: Int. Products with H.
        seconds: Float. All of it.
        product_seconds: Float. The part spent in products.
        matrix: Str. Which matrix it is: `"hessian"`, `"gauss-newton"`,
            `"fisher"`, …; `"operator"` where it is none of an objective's, None
            in files of earlier versions.
        objective: Dict. Settings of the objective; empty for an operator that
            has none.
    """

    value: float
    standard_error: float
    samples: np.ndarray
    converged: bool | None
    num_probes: int
    relative_error: float | None
    max_products: int | None
    num_products: int
    seconds: float
    product_seconds: float
    seed: int
    objective: dict[str, Any]
    matrix: str | None = None


def hessian_frobenius_norm(
    objective: Objective | LinearOperator,
    *,
    num_probes: int | None = None,
    relative_error: float | None = None,
    max_products: int | None = None,
    w: np.ndarray | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> FrobeniusNorm:
    """The Frobenius norm of the Hessian of the loss, with its standard error.

    ‖H‖_F = √(Σᵢⱼ Hᵢⱼ²) = √(Σ λ²), H = ∇²f(w), f being the mean loss
    (`Objective`). For random probes v with entries ±1, E‖Hv‖² = ‖H‖_F². The
    standard error is that of the mean of ‖Hv‖², widened for few probes and for
    skewed samples (`standard_error`), over 2 ‖H‖_F, the slope of the square.

    Args:
        objective: `Objective`, or any symmetric SciPy `LinearOperator`.
        num_probes: Int. n, at least 2; by default 32. With `relative_error`
            the least n, by default 16.
        relative_error: Float. Probes are added, eight at a time, until
            `standard_error <= relative_error · value`.
        max_products: Int. Where to give up; by default 1000.
        w: Array (P,), the point; the model's weights when left out.
        seed: Int. For the probes; more of them extend the same sequence.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `FrobeniusNorm`, with a warning if the relative error was not
        reached.

    Raises:
        ValueError: For options out of range.
        FloatingPointError: If a product is not finite.

    Example:

    ```python
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.metrics.frobenius_norm import hessian_frobenius_norm
    from scipy.sparse.linalg import aslinearoperator

    norm = hessian_frobenius_norm(aslinearoperator(np.diag([3.0, -4.0])))
    assert np.isclose(norm.value, 5.0)
    ```

    Reference:
        Martinsson and Tropp 2020, https://arxiv.org/abs/2002.01387, section
        4.8.
    """
    clock = time.perf_counter()
    operator = as_operator(objective, w)
    seed = arguments.seed(seed)
    plan = Plan.check(
        num_probes=num_probes,
        relative_error=relative_error,
        max_products=max_products,
    )
    samples = np.empty(0)

    with track("Frobenius norm", plan.num_products, progress) as advance:
        multiply = Products(operator, advance)

        def extend(count: int) -> None:
            nonlocal samples
            block = rademacher(
                multiply.size, count=count, first=len(samples), seed=seed
            )
            squares = np.sum(multiply(block) ** 2, axis=0)
            samples = np.append(samples, squares)

        def reached() -> bool:
            value, error = _root(samples)
            return error <= relative_error * value

        converged = plan.run(extend, reached)
    value, error = _root(samples)
    if converged is False:
        warnings.warn(
            f"The standard error {error:.3g} of the norm {value:.3g} is above "
            f"relative_error={relative_error} after {multiply.count} "
            "products. Pass a larger `max_products` or `relative_error`.",
            stacklevel=2,
        )
    return FrobeniusNorm(
        value=value,
        standard_error=error,
        samples=samples,
        converged=converged,
        num_probes=len(samples),
        relative_error=relative_error,
        max_products=plan.max_products,
        num_products=multiply.count,
        seconds=time.perf_counter() - clock,
        product_seconds=multiply.seconds,
        seed=seed,
        **described(operator),
    )


def _root(squares: np.ndarray) -> tuple[float, float]:
    """√ of the mean, and its standard error by the slope of the root."""
    value = float(np.sqrt(np.mean(squares)))
    # The zero matrix: its norm is exact, and the slope is infinite.
    error = standard_error(squares) / (2.0 * value) if value else 0.0
    return value, float(error)
