"""Planes through points that are given."""

from collections.abc import Sequence

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import (
    Point,
    Trajectory,
    count_points,
    endpoint,
    endpoints_of,
    state_of,
)
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.operators import check_objective

# Of the larger range, on all sides: what surrounds the points is of interest.
_MARGIN = 0.25
# Of the longest distance, or the largest singular value: what is smaller is
# rounding.
_ROUNDING = 1e-6
# Columns of the trajectory that are float64 at once.
_BLOCK = 1 << 16


def extent_around(points: np.ndarray) -> np.ndarray:
    """The ranges of α and β around points, with the same margin everywhere.

    Args:
        points: Array (k, 2).

    Returns:
        Array (2, 2): lowest and highest α, lowest and highest β.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    margin = _MARGIN * float(np.max(high - low)) or 1.0
    return np.stack([low - margin, high + margin], axis=1)


def plane_through(
    objective: Objective,
    points: Sequence[Point],
    *,
    names: Sequence[str] = ("A", "B", "C"),
) -> Plane:
    """The plane through three models, with orthogonal axes of unit length.

    With `u = θ_B − θ_A` and `v = θ_C − θ_A − ⟨θ_C − θ_A, u⟩ u ∕ ‖u‖²` the
    directions are `u ∕ ‖u‖` and `v ∕ ‖v‖`: α and β are Euclidean distances
    from A. Frozen weights and moving statistics of models and files are mixed
    as their weights are; see `loss_surface`. A vector goes with those of the
    objective's model.

    Args:
        objective: `Objective`.
        points: Three of `keras.Model`, path of a `.keras` file, array (P,).
        names: Three str.

    Returns:
        A `Plane`.

    Raises:
        ValueError: If they are not three, do not fit the objective's model, or
            lie on one line.
        ModelFileError: If a file is not a model.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import plane_through

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    plane = plane_through(objective, np.eye(4)[:3])
    assert np.allclose(plane.point(*plane.anchors[2]), np.eye(4)[2])
    ```

    Reference:
        Garipov et al. 2018, https://arxiv.org/abs/1802.10026, appendix A.3.
    """
    check_objective(objective)
    for name, value in (("points", points), ("names", names)):
        if not isinstance(value, Sequence | np.ndarray) or len(value) != 3:
            raise arguments.refuse(
                name,
                value,
                "a list of three, models and their names",
                "Two models are joined by `ks.interpolate`.",
            )
    for name in names:
        arguments.text("names", name)
    ends = [
        endpoint(point, f"points[{index}]", objective)
        for index, point in enumerate(points)
    ]
    first, second, third = (end.weights for end in ends)
    u, c = second - first, third - first
    width = float(np.linalg.norm(u))
    along = float(c @ u) / width if width else 0.0
    v = c - along * u / width if width else c
    height = float(np.linalg.norm(v))
    if not min(width, height) > _ROUNDING * max(width, np.linalg.norm(c)):
        raise ValueError(
            "The three models lie on one line, so they span no plane. Are two "
            "of them the same? Draw the line with `ks.interpolate`."
        )
    anchors = np.array([[0.0, 0.0], [width, 0.0], [along, height]])
    states = tuple(
        state_of(objective.model) if end.state is None else end.state
        for end in ends
    )
    are_vectors = all(end.state is None for end in ends)
    return Plane(
        basis="models",
        origin=first,
        directions=np.stack([u / width, v / height]),
        labels=(
            f"from {names[0]} to {names[1]}",
            f"towards {names[2]}",
        ),
        names=tuple(names),
        anchors=anchors,
        extent=extent_around(anchors),
        states=() if are_vectors else states,
    )


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
