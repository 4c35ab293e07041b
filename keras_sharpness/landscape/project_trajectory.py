"""A training trajectory on a plane."""

import time
from collections.abc import Sequence

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import (
    StatePath,
    Trajectory,
    count_points,
    endpoints_of,
)
from keras_sharpness.landscape.objectives import Objectives, as_objectives
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.landscape.plane_points import PlanePoints
from keras_sharpness.landscape.results import ProjectedTrajectory
from keras_sharpness.progress import ProgressOption, track


def project_trajectory(
    objective: Objectives,
    plane: Plane,
    points: Trajectory,
    *,
    steps: Sequence[float] | None = None,
    progress: ProgressOption = None,
) -> ProjectedTrajectory:
    """Where a training went on a plane, with each checkpoint's true loss.

    A checkpoint lies off the plane, and the surface below it does not show its
    loss. So both are measured: the loss of the checkpoint, with its own frozen
    weights and moving statistics where it is a model, and the loss at the
    nearest point of the plane; and how far the two are apart.

    Args:
        objective: `Objective`, or a dict of them.
        plane: `Plane`: that of the trajectory, or any other.
        points: Array (T, P) of flat weights, or a sequence of models, `.keras`
            files or arrays (P,), in the order of training.
        steps: T numbers, such as epochs; 0, 1, … when left out.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `ProjectedTrajectory`.

    Raises:
        ValueError: If a checkpoint or the plane does not fit the model.
        ModelFileError: If a file is not a model.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import project_trajectory, trajectory_plane

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    points = np.random.default_rng(0).standard_normal((5, objective.size))
    plane = trajectory_plane(objective, points)
    way = project_trajectory(objective, plane, points)
    assert way.distances[-1] == 0.0
    ```

    Reference:
        Li et al. 2018, https://arxiv.org/abs/1712.09913, section 7.
    """
    clock = time.perf_counter()
    objectives = as_objectives(objective)
    first = next(iter(objectives.values()))
    count = count_points(points, 1)
    arguments.instance(
        "plane", plane, Plane, "a Plane", "Make one with `random_plane`."
    )
    if steps is None:
        steps = np.arange(count)
    else:
        arguments.array(
            "steps", steps, shape=(count,), remedy="One for each checkpoint."
        )
        steps = np.asarray(steps)
    on_plane = PlanePoints(first, plane)
    coordinates, distances = np.empty((count, 2)), np.empty(count)
    found: dict[str, list] = {name: [] for name in objectives}
    mean, squares, statistics = np.zeros(first.size), 0.0, first.batch_norm
    with track("Trajectory", 2 * count * len(objectives), progress) as advance:
        for index, end in enumerate(endpoints_of(points, first)):
            place, distance = plane.coordinates(end.weights)
            coordinates[index], distances[index] = place, distance
            offset = end.weights - plane.origin
            mean += offset / count
            squares += float(offset @ offset)
            state_path = StatePath(first, end)
            state = state_path.at(1.0)
            if first.batch_norm == "inference":
                statistics = "objective" if state_path.is_own else "checkpoint"
            nearest = plane.point(*place)
            plane_state = on_plane.state_at(*place)
            for name, function in objectives.items():
                here = function.evaluate(end.weights, state=state)
                advance()
                there = function.evaluate(nearest, state=plane_state)
                advance()
                found[name].append((here, there["loss"]))
    return ProjectedTrajectory(
        steps=steps,
        coordinates=coordinates,
        distances=distances,
        losses={
            name: np.array([here["loss"] for here, _ in pairs])
            for name, pairs in found.items()
        },
        plane_losses={
            name: np.array([there for _, there in pairs])
            for name, pairs in found.items()
        },
        accuracies={
            name: np.array([here["accuracy"] for here, _ in pairs])
            for name, pairs in found.items()
            if "accuracy" in pairs[0][0]
        },
        explained_variance=_shares(
            plane, coordinates, squares - count * float(mean @ mean)
        ),
        moving_statistics=statistics,
        num_evaluations=2 * count * len(objectives),
        seconds=time.perf_counter() - clock,
        objectives={name: f.settings for name, f in objectives.items()},
    )


def _shares(plane: Plane, coordinates: np.ndarray, total: float) -> np.ndarray:
    """The variance along d₁ and along what of d₂ is orthogonal to it."""
    lengths, cosine = plane.lengths, plane.cosine
    scaled = coordinates * lengths
    along = scaled[:, 0] + cosine * scaled[:, 1]
    across = np.sqrt(1.0 - cosine**2) * scaled[:, 1]
    squares = [float(np.sum((c - c.mean()) ** 2)) for c in (along, across)]
    if not total > 0.0:
        return np.full(2, np.nan)
    return np.array(squares) / total
