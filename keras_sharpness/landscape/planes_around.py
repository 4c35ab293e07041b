"""Planes around one minimum."""

from typing import Any

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.directions import (
    Ignore,
    Normalization,
    check_options,
    direction_sampler,
)
from keras_sharpness.landscape.endpoints import Point, endpoint
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.metrics import (
    HessianOperator,
    Objective,
    hessian_eigenvalues,
)
from keras_sharpness.metrics.operators import check_objective
from keras_sharpness.progress import ProgressOption


def random_plane(
    objective: Objective,
    center: Point | None = None,
    *,
    normalization: Normalization = "filter",
    ignore: Ignore = "bias-and-norm",
    layers: Any = None,
    name: str = "minimum",
    seed: int = 0,
) -> Plane:
    """A plane through a minimum along two random directions.

    α = 1 is a step as long as the weights themselves, filter by filter, so
    that pictures of different networks share their scale. See
    `random_directions` for the options.

    Args:
        objective: `Objective`.
        center: `keras.Model`, path of a `.keras` file, or array (P,); the
            objective's own model when left out.
        normalization: Str. `"filter"`, `"layer"`, `"weight"` or `"none"`.
        ignore: Str. `"bias-and-norm"` or `"none"`.
        layers: The layers or variables that move. All by default.
        name: Str. What the centre is called.
        seed: Int.

    Returns:
        A `Plane`.

    Raises:
        ValueError: For options out of range.
        ModelFileError: If a file is not a model.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import random_plane

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 2)), loss="mse")
    plane = random_plane(objective, seed=1)
    assert np.array_equal(plane.point(0.0, 0.0), objective.weights)
    ```

    Reference:
        Li et al. 2018, https://arxiv.org/abs/1712.09913, section 4.
    """
    check_objective(objective)
    arguments.text("name", name)
    check_options(normalization, ignore, seed)
    center = objective.model if center is None else center
    middle = endpoint(center, "center", objective)
    draw = direction_sampler(
        objective,
        middle.weights,
        normalization=normalization,
        ignore=ignore,
        layers=layers,
        seed=seed,
    )
    what = "random direction"
    if normalization != "none":
        what = f"{normalization}-normalised {what}"
    return Plane(
        basis="random",
        origin=middle.weights,
        directions=np.stack([draw(0), draw(1)]),
        labels=(f"{what} 1", f"{what} 2"),
        names=(name,),
        anchors=np.zeros((1, 2)),
        states=() if middle.state is None else (middle.state,),
        made={
            "normalization": normalization,
            "ignore": ignore,
            "layers": None if layers is None else _words(layers),
            "seed": seed,
        },
    )


def _words(layers: Any) -> list[str]:
    items = layers if isinstance(layers, list | tuple | set) else [layers]
    return [str(getattr(item, "path", item)) for item in items]


def hessian_plane(
    objective: Objective,
    center: Point | None = None,
    *,
    tolerance: float = 1e-3,
    name: str = "minimum",
    seed: int = 0,
    progress: ProgressOption = None,
) -> Plane:
    """The plane through a minimum along its two top Hessian eigenvectors.

    The directions have unit length: α is the Euclidean distance in the weight
    space, and near the centre the loss is `f + (λ₁ α² + λ₂ β²) ∕ 2`.

    The Hessian is the objective's, at the weights of `center` and with its
    frozen weights and moving statistics, where that is a model. Its two
    directions are eigenvectors to the `tolerance` given; `made` keeps
    eigenvalues and residuals.

    Args:
        objective: `Objective`.
        center: `keras.Model`, path of a `.keras` file, or array (P,); the
            objective's own model when left out.
        tolerance: Float. As in `hessian_eigenvalues`.
        name: Str. What the centre is called.
        seed: Int. As in `hessian_eigenvalues`.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `Plane`.

    Raises:
        ValueError: If the centre does not fit the objective's model.
        ModelFileError: If a file is not a model.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import hessian_plane

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 2)), loss="mse")
    plane = hessian_plane(objective)
    assert np.allclose(plane.lengths, 1.0)
    ```

    Reference:
        Yao et al. 2020, PyHessian, https://arxiv.org/abs/1912.07145, for the
        loss along top eigenvectors.
    """
    check_objective(objective)
    arguments.text("name", name)
    center = objective.model if center is None else center
    middle = endpoint(center, "center", objective)
    found = hessian_eigenvalues(
        HessianOperator(objective, middle.weights, state=middle.state),
        k=2,
        tolerance=tolerance,
        eigenvectors=True,
        seed=seed,
        progress=progress,
    )
    vectors = found.eigenvectors.T
    # An eigenvector's sign is the solver's whim; this one is everybody's.
    largest = np.abs(vectors).argmax(axis=1)
    signs = np.sign(vectors[np.arange(2), largest])
    return Plane(
        basis="hessian",
        origin=middle.weights,
        directions=vectors * signs[:, None],
        labels=("top Hessian eigenvector", "second Hessian eigenvector"),
        names=(name,),
        anchors=np.zeros((1, 2)),
        states=() if middle.state is None else (middle.state,),
        made={
            "eigenvalues": found.eigenvalues,
            "residuals": found.residuals,
            "converged": found.converged,
            "tolerance": tolerance,
            "num_products": found.num_products,
            "seed": seed,
        },
    )
