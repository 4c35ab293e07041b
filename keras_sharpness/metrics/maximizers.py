"""Two maximisers over the unit box that check each other."""

import dataclasses

import numpy as np
import scipy.optimize

from keras_sharpness.metrics.box import Box

# Halvings of a Frank-Wolfe step that lowers f: 1/32 of the way to the corner
# is where the search stops to pay.
_MAX_HALVINGS = 5


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a maximiser from one start.

    Attributes:
        maximizer: Str.
        start: Str. `"centre"`, `"corner"`, `"interior"`, or `"kick"`: the best
            corner until then with some coordinates flipped.
        num_iterations: Int.
        message: Str. Why it stopped.
        max_loss: Float. The largest f of this run.
        num_evaluations: Int.
    """

    maximizer: str
    start: str
    num_iterations: int
    message: str
    max_loss: float
    num_evaluations: int


class _LimitReached(Exception):
    """Leaves SciPy's loop, which checks its own limit too rarely."""


def l_bfgs_b(
    box: Box, start: np.ndarray, *, max_iterations: int, max_evaluations: int
) -> tuple[int, str, float]:
    """SciPy's L-BFGS-B on the unit box, as Keskar et al. with scaling.

    Both tolerances are 0: with SciPy's own the search ends where it starts at
    any well-trained point. The objective is divided by the root mean square
    of its gradient at the start, so that the first step of a typical
    coordinate has the size of the box; unscaled, a gradient of 1e-5 makes the
    line search crawl, and divided by the largest entry all but a few
    coordinates hardly move.

    Args:
        box: The `Box`.
        start: Array (p,) in [-1, 1].
        max_iterations: Int.
        max_evaluations: Int.

    Returns:
        Number of iterations, why it stopped, and the largest f seen.
    """
    before = box.num_evaluations
    start_value, start_gradient = box.value_and_gradient(start)
    best = start_value
    iterations = 0
    scale = np.sqrt(np.mean(start_gradient**2))
    if scale == 0.0:
        return 0, "the gradient vanishes at the start", best

    def negative(z: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best
        if box.num_evaluations - before >= max_evaluations:
            raise _LimitReached
        value, gradient = box.value_and_gradient(z)
        best = max(best, value)
        # Relative to the start: f itself would drown a tiny difference.
        return (start_value - value) / scale, gradient / -scale

    def count_iteration(_: np.ndarray) -> None:
        nonlocal iterations
        iterations += 1

    try:
        result = scipy.optimize.minimize(
            negative,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=scipy.optimize.Bounds(-1.0, 1.0),
            callback=count_iteration,
            options={"maxiter": max_iterations, "ftol": 0.0, "gtol": 0.0},
        )
        message = str(result.message)
    except _LimitReached:
        message = f"reached the limit of {max_evaluations} evaluations"
    return iterations, message, best


def frank_wolfe(
    box: Box,
    start: np.ndarray,
    *,
    max_iterations: int,
    max_evaluations: int,
    generator: np.random.Generator,
) -> tuple[int, str, float]:
    """Repeats `z ← sign(∇f(z))`: from corner to corner of the box.

    On a convex function no such step lowers f, and each lands in a corner,
    where the maximum of a convex function lies; near a minimum f is convex
    along the way. A step that does lower f is halved until it does not.

    Args:
        box: The `Box`.
        start: Array (p,) in [-1, 1].
        max_iterations: Int.
        max_evaluations: Int.
        generator: Draws signs where the gradient is exactly 0.

    Returns:
        Number of iterations, why it stopped, and the largest f seen.

    Reference:
        Frank and Wolfe 1956, https://doi.org/10.1002/nav.3800030109.
    """
    before = box.num_evaluations
    z = start
    value, gradient = box.value_and_gradient(z)
    best = value
    for iteration in range(max_iterations):
        corner = np.sign(gradient)
        flat = corner == 0.0
        if np.any(flat):
            kept = np.sign(z[flat])
            drawn = generator.choice([-1.0, 1.0], size=kept.shape)
            corner[flat] = np.where(kept == 0.0, drawn, kept)
        if np.array_equal(corner, z):
            return iteration, "the corner reproduces itself", best
        step = corner
        for halving in range(_MAX_HALVINGS + 1):
            if box.num_evaluations - before >= max_evaluations:
                message = f"reached the limit of {max_evaluations} evaluations"
                return iteration, message, best
            new_value, new_gradient = box.value_and_gradient(step)
            best = max(best, new_value)
            if new_value >= value:
                break
            step = z + (corner - z) / 2.0 ** (halving + 1)
        else:
            return iteration, "no step towards the corner raises f", best
        z, value, gradient = step, new_value, new_gradient
    return max_iterations, f"reached {max_iterations} iterations", best


def kicked(
    z: np.ndarray, share: float, *, generator: np.random.Generator
) -> np.ndarray:
    """The corner nearest to a point, with some of its coordinates flipped.

    From a corner that reproduces itself Frank-Wolfe does not move, though one
    of its neighbours may be higher. The kick of iterated local search.

    Args:
        z: Array (p,) in [-1, 1].
        share: Float. Of the coordinates, to be flipped; one at least is.
        generator: Draws which.

    Returns:
        Array (p,) of -1 and 1.

    Reference:
        Lourenço, Martin and Stützle 2003,
        https://doi.org/10.1007/0-306-48056-5_11.
    """
    corner = np.where(z < 0.0, -1.0, 1.0)
    count = max(1, round(share * len(z)))
    corner[generator.choice(len(z), count, replace=False)] *= -1.0
    return corner
