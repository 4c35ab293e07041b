"""The plane of the two sharpest directions of a minimum."""

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import Point, endpoint
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.metrics import (
    HessianOperator,
    Objective,
    hessian_eigenvalues,
)
from keras_sharpness.metrics.operators import check_objective
from keras_sharpness.progress import ProgressOption


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
