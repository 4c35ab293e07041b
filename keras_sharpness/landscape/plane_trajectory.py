"""The plane in which a training trajectory moved most."""

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.landscape.span import extent_around
from keras_sharpness.landscape.trajectory_points import (
    Trajectory,
    count_points,
    endpoints_of,
)
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.operators import check_objective

# Columns of the trajectory that are float64 at once.
_BLOCK = 1 << 16
# Of the largest singular value: a second one below is rounding.
_ROUNDING = 1e-6


def trajectory_plane(
    objective: Objective, points: Trajectory, *, name: str = "end"
) -> Plane:
    """The first two principal components of a training trajectory.

    With checkpoints θ₁, …, θ_T the directions are the first two right singular
    vectors of the matrix with rows `θₜ − θ̄`, θ̄ their mean, and the origin is
    θ_T, the end, as in the authors' code. They have unit length: α and β are
    Euclidean distances. `explained_variance` says which share of
    `Σ ‖θₜ − θ̄‖²` lies along each.

    Args:
        objective: `Objective`.
        points: Array (T, P) of flat weights, or a sequence of models, `.keras`
            files or arrays (P,), in the order of training; T at least 3.
        name: Str. What the end is called.

    Returns:
        A `Plane`.

    Raises:
        ValueError: If a checkpoint does not fit the objective's model, or all
            lie on one line.
        ModelFileError: If a file is not a model.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import trajectory_plane

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    points = np.random.default_rng(0).standard_normal((5, objective.size))
    plane = trajectory_plane(objective, points)
    (alpha, beta), distance = plane.coordinates(points[-1])
    assert max(abs(alpha), abs(beta), distance) == 0.0
    ```

    Reference:
        Li et al. 2018, https://arxiv.org/abs/1712.09913, section 7.
    """
    check_objective(objective)
    arguments.text("name", name)
    count = count_points(points, 3)
    rows, last = [], None
    for point, last in zip(
        points, endpoints_of(points, objective), strict=True
    ):
        # In the model's own precision: a trajectory may fill the memory.
        own = np.asarray(last.weights, dtype=objective.layout.dtype)
        rows.append(point if isinstance(point, np.ndarray) else own)
    mean = sum(row.astype(np.float64) for row in rows) / count
    gram = np.zeros((count, count))
    blocks = [
        slice(start, start + _BLOCK)
        for start in range(0, objective.size, _BLOCK)
    ]
    for block in blocks:
        centered = np.stack([row[block] - mean[block] for row in rows])
        gram += centered @ centered.T
    # T is small: the eigenvectors of the T × T matrix are the left singular
    # vectors, and the trajectory need not lie in memory a second time.
    values, left = np.linalg.eigh(gram)
    values, left = values[:-3:-1], left[:, :-3:-1]
    if not values[1] > _ROUNDING**2 * values[0]:
        raise ValueError(
            f"The {count} checkpoints lie on one line, so they span no plane. "
            "Pass more of them, or draw the line with `ks.interpolate`."
        )
    directions = np.empty((2, objective.size))
    for block in blocks:
        centered = np.stack([row[block] - mean[block] for row in rows])
        directions[:, block] = left.T @ centered
    directions[0] /= np.linalg.norm(directions[0])
    # The second singular value may be much smaller than the first, and its
    # vector then less exact.
    directions[1] -= (directions[1] @ directions[0]) * directions[0]
    directions[1] /= np.linalg.norm(directions[1])
    coordinates = np.array([directions @ (row - last.weights) for row in rows])
    # The training comes from the positive side of both axes.
    farthest = np.abs(coordinates).argmax(axis=0)
    signs = np.where(coordinates[farthest, [0, 1]] < 0, -1.0, 1.0)
    return Plane(
        basis="trajectory",
        origin=last.weights,
        directions=directions * signs[:, None],
        labels=("principal component 1", "principal component 2"),
        names=(name,),
        anchors=np.zeros((1, 2)),
        extent=extent_around(coordinates * signs),
        states=() if last.state is None else (last.state,),
        explained_variance=values / np.trace(gram),
        made={"num_points": count},
    )
