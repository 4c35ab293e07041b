"""An estimate of a spectral density, made from the quadratures of probes."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from keras_sharpness.metrics.numerics.kernel_density import (
    choose_grid,
    choose_width,
    confidence_band,
    padded,
    smooth,
)
from keras_sharpness.metrics.numerics.negative_curvature import (
    error_of_mean,
    negative_curvature,
)
from keras_sharpness.metrics.numerics.tridiagonal import GaussQuadrature
from keras_sharpness.results import Result


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SpectralDensity(Result):
    """How the eigenvalues of a matrix are distributed, with error bars.

    Standard errors and the band are over the probes; both are NaN for one.

    Attributes:
        grid: Array (g,). Eigenvalues λ, evenly spaced.
        density: Array (g,). Share of the eigenvalues per unit of λ; its
            integral is 1.
        lower: Array (g,). Lower end of the pointwise 95 % interval.
        upper: Array (g,). Upper end: `density · exp(± t s)`, s the relative
            standard error of the mean over n probes, t Student's quantile
            of n − 1 degrees of freedom.
        kernel_width: Float. σ of the Gaussian kernels.
        nodes: Array (n, m). Ritz values of each probe. A run that ended early
            repeats its last one.
        weights: Array (n, m). Share of the eigenvalues that each stands for,
            0 for repetitions; a row adds up to 1.
        residuals: Array (n, m). ‖Hu − θu‖ of each Ritz value θ with its unit
            vector u, NaN for repetitions.
        probe_means: Array (n,). zᵀHz/P of each probe z, from its first
            product.
        noise: Array (n,). What the products of each probe were off by, as
            measured on them.
        mean: Float. Mean eigenvalue: first moment of `density`.
        trace: Float. Hutchinson's estimate from the same probes, the mean of
            zᵀHz.
        trace_standard_error: Float.
        moment_error: Float. |P · mean − trace| over P times the mean of |λ|:
            rounding, and what the grid leaves out.
        negative_share: Float. Share of the negative eigenvalues.
        negative_share_standard_error: Float. The spread over the probes and
            what is unresolved.
        unresolved_share: Float. Share of the eigenvalues that are too near to
            0, or at 0, for so many steps to tell their sign.
        tolerance: Float. How far rounding of the products can move a Ritz
            value, as measured on them; zero within it is zero.
        operator: Str. Class of the operator.
        size: Int. P, the number of eigenvalues.
        group_size: Int. Probes that advanced together.
        num_products: Int. Products with H.
        seconds: Float. That of all runs which made the probes.
        product_seconds: Float. The part spent in products.
        matrix: Str. Which matrix it is: `"hessian"`, `"gauss-newton"`,
            `"fisher"`, …; `"operator"` where it is none of an objective's, None
            in files of earlier versions.
        objective: Dict. Settings of the objective; empty for an operator.
        fingerprint: Dict. What the values depend on; empty where no file was
            asked for.
    """

    grid: np.ndarray
    density: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    kernel_width: float
    nodes: np.ndarray
    weights: np.ndarray
    mean: float
    trace: float
    trace_standard_error: float
    moment_error: float
    negative_share: float
    negative_share_standard_error: float
    unresolved_share: float
    tolerance: float
    operator: str
    size: int
    num_probes: int
    num_steps: int
    basis_dtype: str
    group_size: int
    num_products: int
    seconds: float
    product_seconds: float
    seed: int
    objective: dict[str, Any]
    # Not in the files of earlier versions.
    matrix: str | None = None
    residuals: np.ndarray | None = None
    probe_means: np.ndarray | None = None
    noise: np.ndarray | None = None
    fingerprint: dict[str, Any] = dataclasses.field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """One row per point of the grid."""
        return pd.DataFrame(
            {
                "eigenvalue": self.grid,
                "density": self.density,
                "lower": self.lower,
                "upper": self.upper,
            }
        )

    def quadratures(self) -> list[GaussQuadrature]:
        """The quadrature of each probe, as `estimate` takes them.

        Returns:
            List of n `GaussQuadrature`; none from a file of an earlier
            version, which has not all of it.
        """
        if self.residuals is None:
            return []
        found = []
        for nodes, weights, residuals, mean, noise in zip(
            self.nodes,
            self.weights,
            self.residuals,
            self.probe_means,
            self.noise,
            strict=True,
        ):
            own = ~np.isnan(residuals)
            found.append(
                GaussQuadrature(
                    nodes=nodes[own],
                    weights=weights[own],
                    residuals=residuals[own],
                    mean=float(mean),
                    noise=float(noise),
                )
            )
        return found


def estimate(
    quadratures: Sequence[GaussQuadrature],
    *,
    size: int,
    grid_size: int | None,
    kernel_width: float | None,
    **settings: Any,
) -> SpectralDensity:
    """The density, its error bars and what else probes tell.

    Args:
        quadratures: Sequence of `GaussQuadrature`, one per probe.
        size: Int. P.
        grid_size: Int, or None for a choice.
        kernel_width: Float, σ, or None for a choice.
        **settings: The other fields of `SpectralDensity`.

    Returns:
        `SpectralDensity`.
    """
    nodes, weights = padded(quadratures)
    width = choose_width(quadratures) if kernel_width is None else kernel_width
    grid = choose_grid(nodes, width, grid_size)
    densities = smooth(nodes, weights, grid, width)
    lower, upper = confidence_band(densities)
    density = densities.mean(axis=0)
    mean = float(np.trapezoid(grid * density, grid))
    means = np.array([quadrature.mean for quadrature in quadratures])
    traces = size * means
    trace = float(traces.mean())
    scale = size * float(np.sum(weights * np.abs(nodes))) / len(quadratures)
    residuals = np.full(nodes.shape, np.nan)
    for row, quadrature in zip(residuals, quadratures, strict=True):
        row[: len(quadrature.residuals)] = quadrature.residuals
    return SpectralDensity(
        grid=grid,
        density=density,
        lower=lower,
        upper=upper,
        kernel_width=float(width),
        nodes=nodes,
        weights=weights,
        residuals=residuals,
        probe_means=means,
        noise=np.array([quadrature.noise for quadrature in quadratures]),
        mean=mean,
        trace=trace,
        trace_standard_error=error_of_mean(traces),
        moment_error=abs(size * mean - trace) / (scale or 1.0),
        **negative_curvature(quadratures),
        size=size,
        num_probes=len(quadratures),
        **settings,
    )
