"""The plane through three models."""

from collections.abc import Sequence

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import Point, endpoint, state_of
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.landscape.span import extent_around
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.operators import check_objective

# Of the distances: what is nearer to a line than this is rounding.
_ROUNDING = 1e-6


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
