"""The ε-sharpness of Keskar et al.: how far the loss rises in a small box."""

import dataclasses
import itertools
import time
from typing import Any, Literal

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.metrics.box import Box, SubspaceScaling, random_basis
from keras_sharpness.metrics.maximizers import (
    Run,
    frank_wolfe,
    kicked,
    l_bfgs_b,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import check_objective
from keras_sharpness.progress import ProgressOption, track
from keras_sharpness.results import Result

Maximizer = Literal["auto", "l-bfgs-b", "frank-wolfe", "best"]
# The default of every door. One start finds as little as 0.8 of what is there.
NUM_STARTS = 3
# Shares of the coordinates that are flipped, in turn. Near a corner that
# reproduces itself there are better ones, which few flips reach. Where valleys
# are apart, flips of 2 to 40 % did not leave one; other starts do.
_KICKS = (0.05, 0.1, 0.2)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EpsilonSharpness(Result):
    """An ε-sharpness, how it was found and how far to trust it.

    Attributes:
        value: Float. φ in percent; a lower bound of the true one.
        loss: Float. f(x).
        max_loss: Float. The largest f found in the box.
        displacement: Array (P,), where: `f(x + displacement) = max_loss`.
            None once dropped to save space.
        coordinates: Array (p,), the displacement in the subspace, z of
            equation 4; None in the full space.
        share_at_bound: Float in [0, 1]. Share of coordinates on the bound; 1
            is a corner, where the maximum of a convex function lies.
        maximizer: Str. The one asked for, and what `"auto"` chose.
        winner: Str. The one that found the maximum.
        runs: Tuple of dicts, one per start: maximizer, start, its max_loss,
            iterations, evaluations and why it stopped.
        num_evaluations: Int. Of the loss with its gradient.
        seconds: Float. All of it.
        evaluation_seconds: Float. The part spent in evaluations.
    """

    value: float
    loss: float
    max_loss: float
    displacement: np.ndarray | None
    coordinates: np.ndarray | None
    share_at_bound: float
    epsilon: float
    subspace_dim: int | None
    subspace_scaling: str | None
    maximizer: str
    winner: str
    max_iterations: int
    num_starts: int
    runs: tuple[dict[str, Any], ...]
    num_evaluations: int
    seconds: float
    evaluation_seconds: float
    seed: int
    objective: dict[str, Any]

    def without_vectors(self) -> "EpsilonSharpness":
        """The same result without the displacement, for storing."""
        return dataclasses.replace(self, displacement=None)


def epsilon_sharpness(
    objective: Objective,
    *,
    epsilon: float = 1e-3,
    subspace_dim: int | None = None,
    subspace_scaling: SubspaceScaling = "normal",
    subspace: np.ndarray | None = None,
    maximizer: Maximizer = "auto",
    max_iterations: int = 10,
    max_evaluations: int | None = None,
    num_starts: int = NUM_STARTS,
    w: np.ndarray | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> EpsilonSharpness:
    """How far the loss rises in a small box around the weights, in percent.

    `φ = 100 (max f(x + A z) − f(x)) / (1 + f(x))`, the maximum being over
    `|zᵢ| ≤ ε (|(A⁺x)ᵢ| + 1)`; A is the identity, or random with
    `subspace_dim` columns. The maximum is searched for, not proven: the value
    is a lower bound. It is not invariant under a rescaling of layers that
    leaves the network's function as it is (Dinh et al. 2017).

    Args:
        objective: `Objective`, the loss f.
        epsilon: Float. ε > 0.
        subspace_dim: Int. Number p of random directions; None for the full
            space. The paper takes 100.
        subspace_scaling: Str. Entries of A: `"normal"` draws them from N(0,
            1), `"unit"` scales each column to length 1. The paper does not
            say; only the former gives values of its size.
        subspace: Array (P, p), A itself, in place of a random one.
        maximizer: Str. `"frank-wolfe"`, whose time is that of its
            evaluations; `"l-bfgs-b"`, with `num_starts=1` as in the paper;
            `"auto"`, Frank-Wolfe in the full space and L-BFGS-B in a
            subspace; or `"best"`: both, and then Frank-Wolfe from the best
            corner with some coordinates flipped, once per start. That takes
            at most `3 max_evaluations` per start, and mostly half of it.
        max_iterations: Int. Per start; the paper's 10.
        max_evaluations: Int. Of the loss, per start; `2 max_iterations` by
            default.
        num_starts: Int. The first start is the centre, or a random corner
            where the gradient is 0 to rounding; all others are random. For
            99.5 % of the best known on small networks `"best"` with 20
            iterations took 3 starts in the full space at ε of 1e-3 or less,
            16 at 1e-2, and 8 in a subspace of five.
        w: Array (P,), the point x; the model's weights when left out.
        seed: Int. For the subspace and the starts.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        An `EpsilonSharpness`.

    Raises:
        ValueError: For options out of range.
        FloatingPointError: If the loss is not finite in the box.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    sharpness = ks.epsilon_sharpness(objective, epsilon=1e-3)
    w = objective.weights + sharpness.displacement
    assert np.isclose(objective.value(w), sharpness.max_loss)
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, equations 3
        and 4 (Metric 2.1).
    """
    clock = time.perf_counter()
    check_objective(objective)
    epsilon = arguments.real(
        "epsilon",
        epsilon,
        above=0.0,
        remedy="Keskar et al. use 1e-3 and 5e-4.",
    )
    arguments.one_of("subspace_scaling", subspace_scaling, SubspaceScaling)
    arguments.one_of("maximizer", maximizer, Maximizer)
    max_iterations = arguments.integer(
        "max_iterations", max_iterations, least=1
    )
    max_evaluations = arguments.integer(
        "max_evaluations", max_evaluations, least=1, optional=True
    )
    num_starts = arguments.integer("num_starts", num_starts, least=1)
    seed = arguments.seed(seed)
    x = objective.weights if w is None else objective.layout.check(w)
    basis = _basis(
        objective.size, subspace_dim, subspace_scaling, subspace, seed
    )
    # Another stream than the subspace's, which has the seed to itself.
    generator = np.random.default_rng([seed, 1])
    maximizer = chosen_maximizer(maximizer, in_subspace=basis is not None)
    both = ("l-bfgs-b", "frank-wolfe")
    names = both if maximizer == "best" else (maximizer,)
    limits = {
        "max_iterations": max_iterations,
        "max_evaluations": max_evaluations or 2 * max_iterations,
    }
    runs: list[Run] = []
    num_kicks = num_starts if maximizer == "best" else 0
    total = (len(names) * num_starts + num_kicks) * (max_iterations + 1)
    with track("ε-sharpness", total, progress) as advance:
        box = Box(objective, x, epsilon, basis, advance)
        loss, gradient = box.value_and_gradient(np.zeros(box.dimension))
        # What the gradient promises is above the rounding of f.
        precision = np.finfo(objective.layout.dtype).eps * abs(loss)
        has_slope = np.sum(np.abs(gradient)) > precision
        for index, name in itertools.product(range(num_starts), names):
            if index == 0 and has_slope:
                kind, start = "centre", np.zeros(box.dimension)
            elif index > 0 and name == "l-bfgs-b":
                kind = "interior"
                start = generator.uniform(-1.0, 1.0, box.dimension)
            else:
                kind = "corner"
                start = generator.choice([-1.0, 1.0], box.dimension)
            before = box.num_evaluations
            if name == "frank-wolfe":
                outcome = frank_wolfe(box, start, generator=generator, **limits)
            else:
                outcome = l_bfgs_b(box, start, **limits)
            used = box.num_evaluations - before
            runs.append(Run(name, kind, *outcome, used))
        for index in range(num_kicks):
            share = _KICKS[index % len(_KICKS)]
            start = kicked(box.best_z, share, generator=generator)
            before = box.num_evaluations
            outcome = frank_wolfe(box, start, generator=generator, **limits)
            used = box.num_evaluations - before
            runs.append(Run("frank-wolfe", "kick", *outcome, used))
    scaling = subspace_scaling if subspace is None else "given"
    winner = max(runs, key=lambda run: run.max_loss).maximizer
    return EpsilonSharpness(
        value=100.0 * (box.best_value - loss) / (1.0 + loss),
        loss=loss,
        max_loss=box.best_value,
        displacement=box.displacement(box.best_z),
        coordinates=(None if basis is None else box.half_widths * box.best_z),
        share_at_bound=float(np.mean(np.abs(box.best_z) == 1.0)),
        epsilon=epsilon,
        subspace_dim=None if basis is None else len(basis),
        subspace_scaling=None if basis is None else scaling,
        maximizer=maximizer,
        winner=winner,
        max_iterations=max_iterations,
        num_starts=num_starts,
        runs=tuple(dataclasses.asdict(run) for run in runs),
        num_evaluations=box.num_evaluations,
        seconds=time.perf_counter() - clock,
        evaluation_seconds=box.seconds,
        seed=seed,
        objective=objective.settings,
    )


def chosen_maximizer(maximizer: Maximizer, *, in_subspace: bool) -> Maximizer:
    """The maximiser that `"auto"` stands for; any other is itself.

    On ten trained networks Frank-Wolfe found as much as L-BFGS-B or more in
    the full space, for less; in a subspace it was the other way round.

    Args:
        maximizer: Str.
        in_subspace: Bool.

    Returns:
        Str.
    """
    if maximizer != "auto":
        return maximizer
    return "l-bfgs-b" if in_subspace else "frank-wolfe"


def _basis(
    size: int,
    dimension: int | None,
    scaling: SubspaceScaling,
    subspace: np.ndarray | None,
    seed: int,
) -> np.ndarray | None:
    """A as rows (p, P), or None for the full space."""
    if subspace is not None:
        subspace = arguments.array("subspace", subspace, shape=(size, None))
        if dimension not in (None, subspace.shape[1]):
            raise ValueError(
                "Pass either `subspace` or `subspace_dim`, not both."
            )
        return np.ascontiguousarray(subspace.T)
    if dimension is None:
        return None
    dimension = check_subspace_dim(dimension, size)
    return random_basis(size, dimension, scaling=scaling, seed=seed)


def check_subspace_dim(dimension: int, size: int) -> int:
    """Refuses a subspace that is not smaller than the space.

    Args:
        dimension: Int. p.
        size: Int. P.

    Returns:
        Int. p.

    Raises:
        ValueError: If p is no integer from 1 to P - 1.
    """
    return arguments.integer(
        "subspace_dim",
        dimension,
        least=1,
        most=size - 1,
        remedy=f"The model has {size} weights.",
    )
