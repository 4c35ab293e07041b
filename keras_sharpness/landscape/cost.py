"""What a computation will cost, before it starts."""

import dataclasses
import time

from keras_sharpness import arguments
from keras_sharpness.landscape.objectives import Objectives, as_objectives
from keras_sharpness.results import Result

# Timed runs after the one that compiles.
_RUNS = 2


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Cost(Result):
    """How much work lies ahead.

    Attributes:
        num_evaluations: Int. Evaluations of all objectives together.
        num_gradients: Int. Gradients of the first objective.
        seconds_per_point: Float. One evaluation of every objective.
        seconds_per_gradient: Float. One gradient; 0 if none is needed.
        seconds: Float. All of it, on this machine as it is now.
    """

    num_evaluations: int
    num_gradients: int
    seconds_per_point: float
    seconds_per_gradient: float
    seconds: float


def estimate_cost(
    objective: Objectives, num_points: int, *, num_gradients: int = 0
) -> Cost:
    """How long it takes to evaluate the loss at many points.

    Every objective is evaluated three times: once to compile, which the work
    itself then need not do, and twice by the clock.

    Args:
        objective: `Objective`, or a dict of them.
        num_points: Int. At how many points all of them will be evaluated:
            625 for a surface of 25 × 25, or fewer where it is resumed.
        num_gradients: Int. How many gradients of the first one.

    Returns:
        A `Cost`.

    Raises:
        ValueError: If a number is negative.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import estimate_cost

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    cost = estimate_cost(objective, 25 * 25)
    print(f"{cost.num_evaluations} evaluations, {cost.seconds:.1f} s")
    ```
    """
    num_points = arguments.integer("num_points", num_points, least=0)
    num_gradients = arguments.integer("num_gradients", num_gradients, least=0)
    objectives = as_objectives(objective)
    first = next(iter(objectives.values()))
    point = sum(_seconds(function.evaluate) for function in objectives.values())
    gradient = _seconds(first.value_and_gradient) if num_gradients else 0.0
    return Cost(
        num_evaluations=num_points * len(objectives),
        num_gradients=num_gradients,
        seconds_per_point=point,
        seconds_per_gradient=gradient,
        seconds=num_points * point + num_gradients * gradient,
    )


def _seconds(run: object) -> float:
    run()
    begun = time.perf_counter()
    for _ in range(_RUNS):
        run()
    return (time.perf_counter() - begun) / _RUNS
