"""Spectral density of the Hessian by stochastic Lanczos quadrature."""

import dataclasses
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.files import check_file
from keras_sharpness.fingerprint.descriptions import differences
from keras_sharpness.metrics.fingerprint import describe_operator
from keras_sharpness.metrics.numerics.basis import (
    BasisDtype,
    choose_group_size,
)
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
from keras_sharpness.metrics.numerics.probes import rademacher
from keras_sharpness.metrics.numerics.products import Products
from keras_sharpness.metrics.numerics.tridiagonal import (
    GaussQuadrature,
    gauss_quadratures,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import as_operator, described
from keras_sharpness.metrics.rounding import choose_basis_dtype
from keras_sharpness.progress import ProgressOption, track
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
            `"fisher"`, …, and of which variables, where not of all;
            `"operator"` where it is none of an objective's, None in files of
            earlier versions.
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


class DensityDraft:
    """The probes of a spectral density as they come in.

    Args:
        operator: `LinearOperator`.
        path: Path of a file that keeps the probes, or None. If it exists, what
            it holds is finished.
        grid_size: Int, or None, as for `estimate`.
        kernel_width: Float, or None, likewise.
        group_size: Int. Probes that advance together.
        **settings: What the probes depend on beside the operator.

    Raises:
        ValueError: If the file holds something else, or probes of another
            matrix or other settings; for a path with an operator that cannot
            be told from others.
        OSError: If no file can be written there.
    """

    def __init__(
        self,
        operator: LinearOperator,
        *,
        path: str | os.PathLike | None,
        grid_size: int | None,
        kernel_width: float | None,
        group_size: int,
        **settings: Any,
    ):
        self._path = None if path is None else check_file(path)
        self._quadratures: list[GaussQuadrature] = []
        self._cost = {"num_products": 0, "seconds": 0.0, "product_seconds": 0.0}
        fingerprint = {}
        if self._path is not None:
            fingerprint = {
                **settings,
                **describe_operator(operator, "`path`"),
            }
            self._read(fingerprint)
        self._options = {
            "size": operator.shape[0],
            "grid_size": grid_size,
            "kernel_width": kernel_width,
            "operator": type(operator).__name__,
            **described(operator),
            "group_size": group_size,
            "fingerprint": fingerprint,
            **settings,
        }

    def _read(self, fingerprint: dict[str, Any]) -> None:
        if not self._path.exists():
            return
        old = SpectralDensity.load(self._path)
        different = differences(old.fingerprint, fingerprint)
        if different:
            raise ValueError(
                f"{self._path} holds a density of other settings: "
                f"{'; '.join(different)}. Pass another `path`, or delete the "
                "file to begin anew."
            )
        self._quadratures = old.quadratures()
        self._cost = {name: getattr(old, name) for name in self._cost}

    @property
    def num_probes(self) -> int:
        """Probes that are finished."""
        return len(self._quadratures)

    def put(self, quadratures: list[GaussQuadrature], **cost: float) -> None:
        """Adds probes, and writes the file.

        Args:
            quadratures: List of `GaussQuadrature`.
            **cost: `num_products`, `seconds` and `product_seconds`, which the
                probes took.
        """
        self._quadratures += quadratures
        for name, value in cost.items():
            self._cost[name] += value
        if self._path is not None:
            # A kill leaves the old file or the new one.
            self.result().save(self._path)

    def result(self) -> SpectralDensity:
        """The density by the probes that are finished."""
        return estimate(self._quadratures, **self._options, **self._cost)


def spectral_density(
    objective: Objective | LinearOperator,
    *,
    num_probes: int = 10,
    num_steps: int = 80,
    grid_size: int | None = None,
    kernel_width: float | None = None,
    basis_dtype: BasisDtype | None = None,
    max_memory: int | None = None,
    w: np.ndarray | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
    path: str | os.PathLike | None = None,
) -> SpectralDensity:
    """The density of all eigenvalues of the Hessian of the loss.

    `φ(λ) = (1/P) Σᵢ N(λ; λᵢ, σ²)`: each of the P eigenvalues of ∇²f(w) as a
    Gaussian of width σ. For a random z of ±1 the spectral measure of z/√P has
    the expectation φ; Lanczos' method gives its Gauss quadrature, Ritz values
    with weights, and the mean over the probes is the estimate. Signs serve
    better than Gaussian numbers: their norm is √P exactly, and the variance of
    what they count is at most (1 + 2/P) times that of normalised Gaussian
    vectors, and less where eigenvectors keep to few weights. Fully
    reorthogonalised, no eigenvalue counts twice; up to 8 probes share each
    product.

    A run keeps its basis: `bytes = group · (num_steps + 1) · 4 P`, twice that
    for `basis_dtype="float64"`. In float32 the vectors lose what float32
    products ignore anyway. For 15 million weights and 80 steps these are
    4.9 GB for one probe.

    The band covers the spread over probes, not the smoothing: compare it to
    eigenvalues smoothed by the same kernel. Where fewer than about three
    eigenvalues lie under the kernel, an interval of 10 probes holds the truth
    in 91 % of the cases instead of 95 %.

    Args:
        objective: `Objective`, or any symmetric SciPy `LinearOperator`.
        num_probes: Int. n; the error falls with 1/√n. A single probe has no
            error bars.
        num_steps: Int. m, Lanczos steps per probe, at least 2 and no more
            than P; the resolution grows with m. A probe costs as many
            products, fewer where it is done early.
        grid_size: Int. By default four points per kernel width, at most 20,000.
        kernel_width: Float. σ, in units of λ. By default 0.75 times the median
            distance of neighbouring Ritz values that have not converged, and
            at least 0.0016 times the range of the spectrum.
        basis_dtype: Str. `"float64"` or `"float32"`. By default that of the
            weights of an objective with float32 products, float64 otherwise.
        max_memory: Int. Bytes for the bases of a group. By default half of the
            machine's memory; pass less where a container has less.
        w: Array (P,), the point; the model's weights when left out.
        seed: Int. For the probes.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.
        path: Path of a JSON file that keeps the result, written whenever a
            group of probes is finished. If it exists its probes are taken as
            they are, all of them, and only missing ones are made: after a
            stop, or for more probes.

    Returns:
        A `SpectralDensity`; `SpectralDensity.load` reads that of the file.

    Raises:
        ValueError: For options out of range; if the basis of one probe needs
            more than `max_memory`; if the file at `path` holds something else,
            or the density of other weights, data or settings; for `path` with
            an operator that is not one of this package.
        OSError: If no file can be written there; before any work.
        FloatingPointError: If a product is not finite.

    Example:

    ```python
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.metrics.density import spectral_density
    from scipy.sparse.linalg import aslinearoperator

    operator = aslinearoperator(np.diag([5.0] + [1.0] * 6 + [-1.0] * 3))
    result = spectral_density(operator)
    assert np.isclose(result.negative_share, 0.3)
    assert np.isclose(result.trace, 8.0)
    ```

    Reference:
        Lin, Saad and Yang 2016, https://doi.org/10.1137/130934283; Ubaru, Chen
        and Saad 2017, https://doi.org/10.1137/16M1104974; Ghorbani, Krishnan
        and Xiao 2019, https://arxiv.org/abs/1901.10159.
    """
    clock = time.perf_counter()
    operator = as_operator(objective, w)
    size = operator.shape[0]
    num_probes = arguments.integer("num_probes", num_probes, least=1)
    num_steps = arguments.integer("num_steps", num_steps, least=2)
    grid_size = arguments.integer(
        "grid_size", grid_size, least=2, optional=True
    )
    max_memory = arguments.integer(
        "max_memory", max_memory, least=1, optional=True
    )
    kernel_width = arguments.real(
        "kernel_width",
        kernel_width,
        above=0.0,
        optional=True,
        remedy="Leave it out to have it chosen.",
    )
    seed = arguments.seed(seed)
    basis_dtype = choose_basis_dtype(operator, basis_dtype)
    steps = min(num_steps, size)
    group_size = choose_group_size(
        num_probes, steps, size, basis_dtype, max_memory
    )
    draft = DensityDraft(
        operator,
        path=path,
        grid_size=grid_size,
        kernel_width=kernel_width,
        num_steps=num_steps,
        basis_dtype=basis_dtype,
        group_size=group_size,
        seed=seed,
    )
    missing = max(num_probes - draft.num_probes, 0)
    with track("Spectral density", missing * steps, progress) as advance:
        multiply = Products(operator, advance)
        while draft.num_probes < num_probes:
            first = draft.num_probes
            count = min(group_size, num_probes - first)
            probes = rademacher(size, count=count, first=first, seed=seed)
            before = multiply.count, multiply.seconds
            quadratures = gauss_quadratures(
                multiply,
                probes.T / np.sqrt(size),
                num_steps=steps,
                basis_dtype=basis_dtype,
            )
            draft.put(
                quadratures,
                num_products=multiply.count - before[0],
                product_seconds=multiply.seconds - before[1],
                seconds=time.perf_counter() - clock,
            )
            clock = time.perf_counter()
    return draft.result()
