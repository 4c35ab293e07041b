"""The points of a training trajectory, however they were kept."""

from collections.abc import Iterator, Sequence

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import Endpoint, Point, endpoint
from keras_sharpness.metrics import Objective

Trajectory = np.ndarray | Sequence[Point]


def count_points(points: Trajectory, least: int) -> int:
    """How many points a trajectory has.

    Args:
        points: Array (T, P), or a sequence of models, files or arrays (P,).
        least: Int. How many it needs.

    Returns:
        Int. T.

    Raises:
        ValueError: If there are fewer than `least`, or the array has another
            number of dimensions.
    """
    if isinstance(points, np.ndarray) and points.ndim != 2:
        raise ValueError(
            "`points` must have shape (T, P), the flat weights of one "
            f"checkpoint in each row. Received: shape {points.shape}."
        )
    # A `SavedTrajectory` is read one by one.
    if isinstance(points, str) or not (
        hasattr(points, "__len__") and hasattr(points, "__getitem__")
    ):
        raise arguments.refuse("points", points, "a list of checkpoints")
    if len(points) < least:
        raise ValueError(
            f"`points` must hold at least {least} checkpoints. Received: "
            f"{len(points)}. Keep the weights more often during training."
        )
    return len(points)


def endpoints_of(
    points: Trajectory, objective: Objective
) -> Iterator[Endpoint]:
    """Each point, checked, one after another.

    Args:
        points: Array (T, P), or a sequence of models, files or arrays (P,).
        objective: The `Objective` that will be evaluated there.

    Yields:
        An `Endpoint`.

    Raises:
        ValueError: If one does not fit the objective's model.
        ModelFileError: If a file is not a model.
    """
    for index, point in enumerate(points):
        yield endpoint(point, f"points[{index}]", objective)
