"""The trace of the Hessian, of each variable and each layer, with errors."""

import dataclasses
import functools
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.numerics.products import Products
from keras_sharpness.metrics.numerics.trace_estimators import (
    Estimates,
    IndependentSamples,
    LeaveOneOutSamples,
    Segments,
    layer_of,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import slices_of
from keras_sharpness.metrics.probe_estimate import ProbeEstimate, estimate
from keras_sharpness.progress import ProgressOption

Method = Literal["hutchinson", "hutch++", "xtrace"]
# What is left of the matrix once its range is out is far from skewed: XTrace
# needs fewer probes before the first look.
_COSTS: dict[str, dict[str, Any]] = {
    "hutchinson": {},
    "hutch++": {"sketch": True},
    "xtrace": {"cost": 2, "least": 8},
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trace(ProbeEstimate):
    """The trace of a matrix, how it was estimated and how far to trust it.

    The truth lies within two standard errors in about 95 % of the cases. They
    are those of the sampling: the rounding of the products comes on top. Cost
    and settings are those of every `ProbeEstimate`.

    Attributes:
        value: Float. The estimate of tr H, the mean of the samples.
        standard_error: Float. Its standard error.
        by_variable: Dict from the path of each trainable variable to the trace
            of its block; empty for an operator without variables.
        by_variable_standard_error: Dict, their standard errors.
        by_layer: Dict from the path of each layer, which is that of its
            variables without the last part, to the sum over its variables.
        by_layer_standard_error: Dict, their standard errors: less or more than
            the variables' together, whose errors are not independent.
        samples: Array (n,). The estimate of each probe; independent but for
            `method="xtrace"`.
    """

    value: float
    standard_error: float
    by_variable: dict[str, float]
    by_variable_standard_error: dict[str, float]
    by_layer: dict[str, float]
    by_layer_standard_error: dict[str, float]
    samples: np.ndarray
    method: str

    def error_text(self) -> str:
        """Which error it has, up to the verb, for the warning."""
        return (
            f"The standard error {self.standard_error:.3g} of the trace "
            f"{self.value:.3g} is"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per trainable variable.

        Returns:
            A DataFrame with the columns variable, layer, trace and
            standard_error.
        """
        return pd.DataFrame(
            {
                "variable": list(self.by_variable),
                "layer": [layer_of(path) for path in self.by_variable],
                "trace": list(self.by_variable.values()),
                "standard_error": list(
                    self.by_variable_standard_error.values()
                ),
            }
        )


def hessian_trace(
    objective: Objective | LinearOperator,
    *,
    num_probes: int | None = None,
    method: Method = "hutchinson",
    relative_error: float | None = None,
    max_products: int | None = None,
    w: np.ndarray | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Trace:
    """The trace of the Hessian of the loss, with its standard error.

    tr H = Σᵢ Hᵢᵢ, H = ∇²f(w), f being the mean loss (`Objective`): the sum of
    the eigenvalues. It is estimated from random probes v with entries ±1, for
    which E[vᵀHv] = tr H and, from the same products, E[v_lᵀ(Hv)_l] = tr H_ll
    for the block of each variable. With n probes:

    * `"hutchinson"`, n products: the mean of vᵀHv. Its relative error is at
      most √(2 / (n r)), r = (Σλ)² / Σλ², and 0 for a diagonal H.
    * `"hutch++"`, 3 n products: H is taken apart into what it is on its range
      on n probes, the trace of which is exact, and a rest R, which n other
      probes estimate. Better where few eigenvalues dominate, as at the minima
      of trained networks; keeps 16 P bytes for each of the n probes.
    * `"xtrace"`, 2 n products: the same for each probe with the range that all
      others span, and the mean of these estimates. Keeps 17 P bytes for each
      probe.

    Variables and layers come with all three. With the projector P on the
    range, `"hutch++"` and `"xtrace"` estimate the trace of a block by that of
    PH + HP − PHP, exact, plus the mean of v_lᵀ(Rv)_l; over the variables these
    sum to the total.

    Standard errors are √(V/n), V being the variance of a sample as the entries
    of v ∘ (Hv) tell it (`IndependentSamples`), widened for few probes by
    Student's t, so that two of them mean the same for any n: over spectra from
    flat to a single eigenvalue they hold the truth in 95 % of the cases or
    more, from two probes on. Matrices of two or four rows, whose samples take
    few values, are the exception (50 and 84 % with two probes). The samples of
    `"xtrace"` depend on each other; s is their deviation, widened for skewed
    samples (`standard_error`), and their covariance is estimated too, and
    added (`XTrace`). There two probes are too few (74 % at worst), four are
    not (93 %).

    A search for a relative error tends to end when the error happens to look
    small, the more so the fewer probes it is judged by. So a least number is
    taken before the first look, with which two standard errors were found to
    hold the truth in 90 to 99 % of the cases.

    Args:
        objective: `Objective`, or any symmetric SciPy `LinearOperator`.
        num_probes: Int. n, at least 2; by default 32. With `relative_error`
            the least n, by default 16, or 8 for `"xtrace"`.
        method: Str. `"hutchinson"`, `"hutch++"` or `"xtrace"`.
        relative_error: Float. Probes are added, eight at a time, until
            `standard_error <= relative_error · |value|`.
        max_products: Int. Where to give up; by default 1000.
        w: Array (P,), the point; the model's weights when left out.
        seed: Int. For the probes; more of them extend the same sequence.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `Trace`, with a warning if the relative error was not reached.

    Raises:
        ValueError: For options out of range.
        FloatingPointError: If a product is not finite.

    Example:

    ```python
    import keras_sharpness as ks
    import numpy as np
    from scipy.sparse.linalg import aslinearoperator

    matrix = np.full((50, 50), 0.1) + np.diag(np.linspace(-1.0, 2.0, 50))
    trace = ks.hessian_trace(aslinearoperator(matrix), relative_error=0.05)
    assert trace.converged
    assert abs(trace.value - np.trace(matrix)) < 4 * trace.standard_error
    ```

    Reference:
        Hutchinson 1990, https://doi.org/10.1080/03610919008812866; Meyer,
        Musco, Musco and Woodruff 2021, https://arxiv.org/abs/2010.09649
        (Hutch++); Epperly, Tropp and Webber 2024,
        https://arxiv.org/abs/2301.07825 (XTrace).
    """
    arguments.one_of("method", method, Method)
    return estimate(
        Trace,
        functools.partial(_Samples, method=method),
        objective,
        title="Hessian trace",
        w=w,
        num_probes=num_probes,
        relative_error=relative_error,
        max_products=max_products,
        seed=seed,
        progress=progress,
        costs=_COSTS[method],
        remedy=", or `method='xtrace'`",
        method=method,
    )


class _Samples:
    """Traces of each probe, by variables and layers."""

    def __init__(
        self,
        multiply: Products,
        operator: LinearOperator,
        *,
        method: Method,
        sketch_size: int,
        seed: int,
    ):
        self._segments = Segments(multiply.size, slices_of(operator))
        self._samples = (
            LeaveOneOutSamples(multiply, self._segments, seed=seed)
            if method == "xtrace"
            else IndependentSamples(
                multiply, self._segments, sketch_size=sketch_size, seed=seed
            )
        )
        self.extend = self._samples.extend

    def is_within(self, relative_error: float) -> bool:
        now = self._samples.estimates()
        tolerance = relative_error * abs(now.values[0])
        return now.errors[0] <= max(tolerance, self._samples.rounding)

    def found(self) -> dict[str, Any]:
        estimates = self._samples.estimates()
        return {
            "value": float(estimates.values[0]),
            "standard_error": float(estimates.errors[0]),
            **_named(estimates, self._segments),
            "samples": estimates.samples,
            "num_probes": len(estimates.samples),
        }


def _named(
    estimates: Estimates, segments: Segments
) -> dict[str, dict[str, float]]:
    """The estimates beyond the total, by the path they belong to."""
    first_layer = 1 + len(segments.variables)
    named = {}
    for label, paths, rows in (
        ("by_variable", segments.variables, slice(1, first_layer)),
        ("by_layer", segments.layers, slice(first_layer, None)),
    ):
        values = estimates.values[rows].tolist()
        errors = estimates.errors[rows].tolist()
        named[label] = dict(zip(paths, values, strict=True))
        named[f"{label}_standard_error"] = dict(zip(paths, errors, strict=True))
    return named
