"""One parameter of a least-squares fit, with its interval by the profile."""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.optimize
import scipy.special

_CONFIDENCE = 0.95
_NUM_POINTS = 801


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProfileInterval:
    """One parameter of a least-squares fit, with its 95 % interval.

    With R(t) the sum of squares left when the parameter is t and all others
    are the best for it, the interval holds all t with

    `R(t) ≤ min R · (1 + F / ν)`,

    F being the 95 % quantile of Fisher's F with 1 and ν degrees of freedom. It
    needs no derivative and may be open: where an end of the range belongs to
    it, the data do not tell how far it reaches.

    Attributes:
        value: Float. The best t.
        low: Float. Lower end, −∞ where it is open.
        high: Float. Upper end, ∞ where it is open.
        residual: Float. R at the best t.
        degrees: Int. ν.

    Reference:
        Bates and Watts 1988, Nonlinear Regression Analysis and Its
        Applications, section 6.1.
    """

    value: float
    low: float
    high: float
    residual: float
    degrees: int

    @classmethod
    def of(
        cls,
        squares: Callable[[float], float],
        start: float,
        end: float,
        *,
        degrees: int,
    ) -> "ProfileInterval":
        """The best parameter in a range, and its interval.

        Args:
            squares: Function R of a float.
            start: Float. Lower end of the range.
            end: Float. Its upper end.
            degrees: Int. ν, at least 1: observations less all parameters.

        Returns:
            A `ProfileInterval`.
        """
        points = np.linspace(start, end, _NUM_POINTS)
        values = np.array([squares(point) for point in points])
        best = int(np.argmin(values))
        around = (
            points[max(0, best - 1)],
            points[min(best + 1, len(points) - 1)],
        )
        found = scipy.optimize.minimize_scalar(
            squares, bounds=around, method="bounded", options={"xatol": 1e-10}
        )
        value, least = points[best], values[best]
        if found.fun < least:
            value, least = float(found.x), float(found.fun)
        fisher = scipy.special.fdtri(1, degrees, _CONFIDENCE)
        limit = least * (1.0 + fisher / degrees)
        inside = np.flatnonzero(values <= limit)
        ends = [value, value]
        if len(inside):
            ends = [
                _crossing(squares, limit, points, inside[0], -1, value),
                _crossing(squares, limit, points, inside[-1], 1, value),
            ]
        else:
            # The interval lies between two points.
            ends = [
                _between(squares, limit, value, around[0]),
                _between(squares, limit, value, around[1]),
            ]
        return cls(
            value=float(value),
            low=float(min(ends[0], value)),
            high=float(max(ends[1], value)),
            residual=float(least),
            degrees=degrees,
        )


def _crossing(
    squares: Callable[[float], float],
    limit: float,
    points: np.ndarray,
    place: int,
    side: int,
    value: float,
) -> float:
    """Where R passes the limit beyond the last point inside."""
    if not 0 <= place + side < len(points):
        return side * np.inf
    inner = points[place]
    # The best parameter may lie beyond the last point inside.
    if side * (value - inner) > 0:
        inner = value
    return _between(squares, limit, inner, points[place + side])


def _between(
    squares: Callable[[float], float], limit: float, inner: float, outer: float
) -> float:
    if inner == outer or squares(outer) <= limit or squares(inner) >= limit:
        return outer if inner != outer and squares(outer) <= limit else inner
    return scipy.optimize.brentq(lambda t: squares(t) - limit, inner, outer)


def centred(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Values less the mean of their group, e.g. of their seed.

    Args:
        values: Array (n,).
        groups: Array (n,).

    Returns:
        Array (n,).
    """
    _, places = np.unique(groups, return_inverse=True)
    sums = np.bincount(places, weights=values)
    return values - (sums / np.bincount(places))[places]
