"""How much of a spectrum is negative, from the quadratures of probes."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from keras_sharpness.metrics.krylov.tridiagonal import GaussQuadrature
from keras_sharpness.metrics.probing.standard_error import standard_error


def negative_curvature(
    quadratures: Sequence[GaussQuadrature],
) -> dict[str, float]:
    """The share of negative eigenvalues, with its standard error.

    The mean over the probes of the weights of negative Ritz values. Two things
    stand between these and the eigenvalues:

    Rounding. Zero eigenvalues come out as large as the products are inexact,
    with either sign. Errors e of `qᵢᵀ A qⱼ`, seen where it should be 0, move
    the Ritz values of m steps by about `e √m`, the norm of a random matrix;
    nothing within twice that is called negative.

    Resolution. A Ritz value θ that is no eigenvalue yet stands for all of them
    around it, up to s: its residual, or the distance to the next Ritz value
    where that is less. A part `p = Φ(−θ/s)` of its weight counts as negative,
    and `√(p (1 − p) / 3)` of it, which for p = 1/2 is the deviation of a
    number anywhere between 0 and 1, adds to the standard error. Where no Ritz
    value is negative nothing is: the outermost come first.

    Args:
        quadratures: Sequence of `GaussQuadrature`, one per probe.

    Returns:
        Dict of the fields of `SpectralDensity` that this is about.

    Reference:
        Golub and Meurant 2010, Matrices, Moments and Quadrature, for the
        separation of measures by Ritz values.
    """
    tolerance = max(_rounding(quadrature) for quadrature in quadratures)
    negative, doubt, unresolved = (
        np.array(column)
        for column in zip(
            *(_shares(q, tolerance) for q in quadratures), strict=True
        )
    )
    return {
        "negative_share": float(negative.mean()),
        "negative_share_standard_error": float(
            np.hypot(error_of_mean(negative), doubt.mean())
        ),
        "unresolved_share": float(unresolved.mean()),
        "tolerance": tolerance,
    }


def error_of_mean(samples: np.ndarray) -> float:
    """The standard error of the mean of samples (n,); NaN for one sample."""
    return float(standard_error(samples)) if len(samples) > 1 else float("nan")


def _rounding(quadrature: GaussQuadrature) -> float:
    nodes = quadrature.nodes
    least = 10 * np.finfo(np.float64).eps * np.max(np.abs(nodes))
    return float(max(2 * np.sqrt(len(nodes)) * quadrature.noise, least))


def _shares(
    quadrature: GaussQuadrature, tolerance: float
) -> tuple[float, float, float]:
    """Of one probe: what is negative, its doubt, and what may be either."""
    nodes, weights = quadrature.nodes, quadrature.weights
    part = (nodes < -tolerance).astype(float)
    gaps = np.diff(nodes, prepend=-np.inf, append=np.inf)
    spread = np.minimum(quadrature.residuals, np.minimum(gaps[:-1], gaps[1:]))
    blurred = (spread > tolerance) & bool(part.any()) & (nodes[-1] > tolerance)
    part[blurred] = ndtr(-nodes[blurred] / spread[blurred])
    either = blurred & (np.abs(nodes) <= spread)
    doubt = np.sqrt(part * (1.0 - part) / 3.0)
    return (
        float(weights @ part),
        float(weights @ doubt),
        float(weights @ either),
    )
