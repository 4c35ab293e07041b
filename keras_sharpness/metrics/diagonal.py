"""The diagonal of the Hessian, with standard errors."""

import dataclasses
from typing import Any, Literal

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.numerics.probes import DeflatedProbes
from keras_sharpness.metrics.numerics.products import Products
from keras_sharpness.metrics.numerics.standard_error import (
    Moments,
    student_factor,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import slices_of
from keras_sharpness.metrics.probe_estimate import ProbeEstimate, estimate
from keras_sharpness.progress import ProgressOption

Method = Literal["hutchinson", "hutch++"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Diagonal(ProbeEstimate):
    """The diagonal of a matrix, how it was estimated, how far to trust it.

    The truth lies within two standard errors for about 95 % of the entries.
    They are those of the sampling: the rounding of the products comes on top.
    Cost and settings are those of every `ProbeEstimate`.

    Attributes:
        diagonal: Array (P,). The estimate of Hᵢᵢ.
        standard_error: Array (P,). Its standard errors.
        slices: Dict from the path of each trainable variable to the first row
            that belongs to it and the one after the last; empty for an
            operator without variables.
    """

    diagonal: np.ndarray
    standard_error: np.ndarray
    slices: dict[str, tuple[int, int]]
    method: str

    def error_text(self) -> str:
        """Which error it has, up to the verb, for the warning."""
        return "The standard errors of the diagonal are"

    @property
    def by_variable(self) -> dict[str, np.ndarray]:
        """The diagonal of each trainable variable's block, flat, by path."""
        return {
            path: self.diagonal[start:stop]
            for path, (start, stop) in self.slices.items()
        }


def hessian_diagonal(
    objective: Objective | LinearOperator,
    *,
    num_probes: int | None = None,
    method: Method = "hutchinson",
    relative_error: float | None = None,
    max_products: int | None = None,
    w: np.ndarray | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Diagonal:
    """The diagonal of the Hessian of the loss, with standard errors.

    Hᵢᵢ = ∂²f/∂wᵢ², f being the mean loss (`Objective`). For random probes v
    with entries ±1, E[v ∘ (Hv)] = diag H; the variance of an entry is
    Σⱼ≠ᵢ Hᵢⱼ² / n. `"hutchinson"` is this mean over n probes and n products.
    `"hutch++"` takes what H is on its range on n probes exactly and leaves the
    rest to n others, 3 n products in all: better where few eigenvalues
    dominate. Standard errors are widened for few probes by Student's t
    (`student_factor`).

    An entry needs far more probes than the trace for the same relative error:
    single ones are often smaller than their standard error.

    Args:
        objective: `Objective`, or any symmetric SciPy `LinearOperator`.
        num_probes: Int. n, at least 2; by default 32. With `relative_error`
            the least n, by default 16.
        method: Str. `"hutchinson"` or `"hutch++"`.
        relative_error: Float. Probes are added, eight at a time, until
            `‖standard_error‖₂ <= relative_error · ‖diagonal‖₂`.
        max_products: Int. Where to give up; by default 1000.
        w: Array (P,), the point; the model's weights when left out.
        seed: Int. For the probes; more of them extend the same sequence.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `Diagonal`, with a warning if the relative error was not reached.

    Raises:
        ValueError: For options out of range.
        FloatingPointError: If a product is not finite.

    Example:

    ```python
    import numpy as np
    from keras_sharpness.metrics.diagonal import hessian_diagonal
    from scipy.sparse.linalg import aslinearoperator

    result = hessian_diagonal(aslinearoperator(np.diag([3.0, 1.0, -2.0])))
    assert np.allclose(result.diagonal, [3.0, 1.0, -2.0])
    ```

    Reference:
        Bekas, Kokiopoulou and Saad 2007,
        https://doi.org/10.1016/j.apnum.2007.01.003; Baston and Nakatsukasa
        2022, https://arxiv.org/abs/2201.10684 (with a sketch).
    """
    arguments.one_of("method", method, Method)
    return estimate(
        Diagonal,
        _Terms,
        objective,
        title="Hessian diagonal",
        w=w,
        num_probes=num_probes,
        relative_error=relative_error,
        max_products=max_products,
        seed=seed,
        progress=progress,
        costs={"sketch": method == "hutch++"},
        method=method,
    )


class _Terms:
    """Means of v ∘ (H v), entry by entry."""

    def __init__(
        self,
        multiply: Products,
        operator: LinearOperator,
        *,
        sketch_size: int,
        seed: int,
    ):
        self._slices = slices_of(operator)
        self._probes = DeflatedProbes(
            multiply, multiply.size, sketch_size=sketch_size, seed=seed
        )
        self._moments = Moments(multiply.size)

    def extend(self, count: int) -> None:
        self._moments.add(self._probes.terms(count))

    def is_within(self, relative_error: float) -> bool:
        error = np.linalg.norm(self._standard_error())
        norm = np.linalg.norm(self._probes.exact + self._moments.mean)
        # Rounding of a product: no error below it can be told from none.
        floor = 10 * np.finfo(np.float64).eps * norm
        return error <= max(relative_error * norm, floor)

    def found(self) -> dict[str, Any]:
        return {
            "diagonal": self._probes.exact + self._moments.mean,
            "standard_error": self._standard_error(),
            "slices": {
                path: (rows.start, rows.stop)
                for path, rows in self._slices.items()
            },
            "num_probes": self._moments.count,
        }

    def _standard_error(self) -> np.ndarray:
        count = self._moments.count
        variance = self._moments.variance() / count
        return student_factor(count) * np.sqrt(variance)
