"""How much of a spectrum is negative, from the quadratures of probes."""

from collections.abc import Sequence

import numpy as np

from keras_sharpness.metrics.numerics.standard_error import standard_error
from keras_sharpness.metrics.numerics.tridiagonal import GaussQuadrature


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

    Resolution. The weights of all Ritz values below 0 need not be the share of
    negative eigenvalues: one near 0 stands for eigenvalues on both sides, and
    often for many that are 0, as those of dead units. In its place the rule
    with a node at 0 is taken (Gauss-Radau), which the same products determine:
    of all spectra that they fit, none has less below 0 than its nodes there,
    w, and none has more than w + w₀, w₀ being the weight of the node at 0. Of
    w₀ counts as negative what the next node below 0 weighs, and half of it at
    most: a density that goes on towards 0 as it comes from the left. The rest
    is neither: it is the peak at 0. The root mean square of what is off if any
    part of w₀ may be negative, as likely as any other, adds to the standard
    error; two of it are never less than the largest. Where no Ritz value is
    negative nothing is: the outermost come first.

    Args:
        quadratures: Sequence of `GaussQuadrature`, one per probe.

    Returns:
        Dict of the fields of `SpectralDensity` that this is about.

    Reference:
        Golub 1973, https://doi.org/10.1137/1015032, for the rule; Golub and
        Meurant 2010, Matrices, Moments and Quadrature, for the bounds.
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
    negative = nodes < -tolerance
    if not negative.any() or nodes[-1] <= tolerance:
        return float(weights @ negative), 0.0, 0.0
    nodes, weights, place = _with_node_at(-tolerance, quadrature, tolerance)
    either = weights[place]
    part = min(either / 2.0, weights[place - 1])
    doubt = np.sqrt((either**2 - 3.0 * part * either + 3.0 * part**2) / 3.0)
    return float(np.sum(weights[:place]) + part), float(doubt), float(either)


def _with_node_at(
    place: float, quadrature: GaussQuadrature, tolerance: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """The Gauss-Radau rule: nodes, weights, and which node is the given one.

    T with a further row and column has the given eigenvalue for the right last
    entry. In the basis of the Ritz vectors u it is diagonal but for that row,
    which holds βₘ times their last components: residuals, with signs that
    alternate.
    """
    nodes, size = quadrature.nodes, len(quadrature.nodes)
    # What has converged is apart from what the row says.
    residuals = np.where(
        quadrature.residuals > tolerance, quadrature.residuals, 0.0
    )
    gaps = nodes - place
    gaps[gaps == 0.0] = np.finfo(np.float64).eps * np.max(np.abs(nodes))
    row = residuals * (-1.0) ** np.arange(size)
    arrow = np.zeros((size + 1, size + 1))
    arrow[np.arange(size), np.arange(size)] = nodes
    arrow[size, :size] = arrow[:size, size] = row
    arrow[size, size] = place + np.sum(residuals**2 / gaps)
    found, vectors = np.linalg.eigh(arrow)
    weights = (np.sqrt(quadrature.weights) @ vectors[:size]) ** 2
    return found, weights, int(np.argmin(np.abs(found - place)))
