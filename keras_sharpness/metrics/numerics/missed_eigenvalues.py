"""How likely it is that a Lanczos search has missed an eigenvalue."""

import dataclasses

import numpy as np
from scipy.special import gammaln

from keras_sharpness.metrics.numerics.lanczos import Ritz

_TINY = np.finfo(np.float64).tiny


@dataclasses.dataclass(frozen=True)
class Doubt:
    """What random start vectors leave open at one end of a spectrum.

    Attributes:
        chances: Array (k,). For each value found, at most: that an eigenvalue
            which belongs before it was missed.
        num_starts: Int. Start vectors without which one of these stays 1,
            however many steps there are.
        directions: Array (q, b). Where, among the vectors that wait, what may
            have been missed would show.
    """

    chances: np.ndarray
    num_starts: int
    directions: np.ndarray


def missed_eigenvalues(
    ritz: Ritz,
    found: np.ndarray,
    margins: np.ndarray,
    *,
    rounding: float,
    largest: bool = True,
) -> Doubt:
    """The chance that eigenvalues were missed, from what Lanczos has seen.

    An eigenvector v of A to λ obeys `(λ − θᵢ) uᵢᵀ v = sᵢᵀ d` for each Ritz
    pair (θᵢ, uᵢ), sᵢ being its residual in the basis Q of the vectors that wait
    and `d = Qᵀ v`, of length 1 at most. Of a start vector `x = Σ yᵢ uᵢ` it has

        xᵀ v = Σᵢ yᵢ sᵢᵀ d / (λ − θᵢ),

    which shrinks with each step unless λ is a Ritz value. But x is N(0, I), so
    that xᵀ v is N(0, 1): that it is below g has the chance `√(2/π) g` at most,
    whatever A is. Of b start vectors, and where v may be one of a copies or
    neighbours of which a − 1 were found and are left out of the sum, it is that
    of a singular value below g in a Gaussian b × a matrix, `C g^(b − a + 1)`.
    From b start vectors no more than b copies can be found.

    Two things can go wrong for a value θ: that an eigenvalue lies further out
    than `θ + margin`, and that one of those found further out has more copies.

    Args:
        ritz: `Ritz`.
        found: Int array (k,). Places of the pairs found at one end, the
            outermost first.
        margins: Array (k,), positive.
        rounding: Float. Residuals below it hide nothing.
        largest: Bool. Which end it is.

    Returns:
        A `Doubt`.

    Reference:
        Kuczyński and Woźniakowski 1992, https://doi.org/10.1137/0613066, for
        the chance before the search; Chen and Dongarra 2005,
        https://doi.org/10.1137/040616413, for the singular value.
    """
    size = len(ritz.values)
    values = ritz.values if largest else -ritz.values
    starts = ritz.starts[0 if largest else -1]
    num_starts = starts.shape[1]
    known = np.minimum(rounding / np.maximum(ritz.residuals, _TINY), 1.0)
    couplings = ritz.couplings * (1.0 - known)

    def chance(level: float, left_out: np.ndarray) -> tuple[float, np.ndarray]:
        apart = level - np.delete(values, left_out)
        apart[apart == 0.0] = _TINY
        unseen = starts[size:] + np.delete(couplings, left_out, axis=1) @ (
            np.delete(starts[:size], left_out, axis=0) / apart[:, None]
        )
        return _small_singular_value(
            num_starts, len(left_out) + 1, _norm(unseen)
        ), unseen

    def beyond(place: int) -> tuple[float, np.ndarray]:
        level = values[found[place]] + margins[place]
        nearest = found[np.argsort(np.abs(values[found] - level))]
        return min(
            (
                chance(level, nearest[:count])
                for count in range(min(num_starts, len(found)))
            ),
            key=lambda pair: pair[0],
        )

    asked = [beyond(place) for place in range(len(found))]
    chances = np.array([pair[0] for pair in asked])
    needed = 1
    outside = values[found] > (values[found] + margins)[-1]
    for place in np.flatnonzero(outside):
        level = values[found[place]]
        distances = np.abs(values[found] - level)
        nearest = found[np.argsort(distances)]
        # What may be its copies; those that would be as good as the last value
        # need not be.
        least = np.count_nonzero(outside & (distances <= margins[place]))
        needed = max(needed, least + 1)
        asked.append(
            min(
                (
                    chance(level, nearest[:count])
                    for count in range(least, min(num_starts, len(found) + 1))
                ),
                key=lambda pair: pair[0],
                default=(1.0, starts[size:]),
            )
        )
        concerned = values[found] + margins < values[found[place]]
        chances[concerned] = np.maximum(chances[concerned], asked[-1][0])
    # Those of the last value, and of the copies that concern it.
    asked = asked[len(found) - 1 :]
    return Doubt(chances, needed, max(asked, key=lambda pair: pair[0])[1])


def _small_singular_value(rows: int, columns: int, least: float) -> float:
    """That of a Gaussian matrix is below `least`, at most."""
    if least <= 0.0:
        return 0.0
    excess = rows - columns
    constant = (
        gammaln((rows + 1) / 2)
        - gammaln(columns / 2)
        - gammaln((excess + 2) / 2)
        - gammaln((excess + 3) / 2)
        + np.log(np.pi) / 2
        - np.log(2.0) * (excess + 1) / 2
    )
    return float(np.exp(min(0.0, constant + (excess + 1) * np.log(least))))


def _norm(matrix: np.ndarray) -> float:
    return float(np.linalg.norm(matrix, 2)) if matrix.size else 0.0
