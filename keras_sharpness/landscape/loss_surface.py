"""Loss and accuracy on a plane of the weight space."""

import math
import os

import numpy as np

from keras_sharpness.landscape.endpoints import Point
from keras_sharpness.landscape.objectives import Objectives
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.landscape.stages import surface_stages
from keras_sharpness.landscape.stopping import StopOption
from keras_sharpness.landscape.surface import LossSurface
from keras_sharpness.progress import ProgressOption


def loss_surface(
    objective: Objectives,
    plane: Plane | Point | None = None,
    *,
    alphas: np.ndarray | None = None,
    betas: np.ndarray | None = None,
    num_points: int | tuple[int, int] = 25,
    path: str | os.PathLike | None = None,
    stop: StopOption = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> LossSurface:
    """Loss and accuracy on a grid of a plane of the weight space.

    `f(θ + α d₁ + β d₂)` for all α and β of the grid, from coarse grids to finer
    ones. It costs as many evaluations as the grid has points, for each
    objective; `estimate_cost` tells how long that takes.

    In batch-norm mode `"inference"` BatchNormalization uses the moving
    statistics of the plane's centre at every point, as Li et al. do; on a plane
    through three models, theirs are mixed as the weights are. They fit the
    weights there only: `"recalibrate"` re-estimates them at every point, and
    `"batch"` needs none. A plane made of vectors has no statistics, and those
    of the objective's model are used.

    With `path` the points are kept in a file, which is written every few
    seconds and at the end, whatever ends the work: an interrupt from the
    keyboard goes on as `KeyboardInterrupt` after that. Called again with the
    same arguments, it goes on with the points that are missing.

    Args:
        objective: `Objective`, or a dict of them, e.g. `{"train": …,
            "test": …}`, that are evaluated at the same points.
        plane: `Plane`; or a `keras.Model`, path of a `.keras` file or array
            (P,) for a `random_plane` around it; or None for one around the
            objective's model.
        alphas: Array (n,), ascending; `num_points` over the plane's extent by
            default.
        betas: Array (m,), ascending; likewise.
        num_points: Int, or two: along the first and the second direction.
        path: Path of a `*.json` file, which `LossSurface.load` reads.
        stop: `threading.Event`, or callable that says whether to stop; it is
            looked at before every point. What is finished is then returned.
        seed: Int. For a random plane.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `LossSurface`; after a stop, with NaN where `finished` is False.

    Raises:
        ValueError: If plane, grid and objectives do not fit, or `path` holds
            something else.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import loss_surface

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    surface = loss_surface(objective, num_points=5)
    assert surface.loss.shape == (5, 5)
    assert np.isclose(surface.loss[2, 2], objective.value())
    ```

    Reference:
        Li et al. 2018, https://arxiv.org/abs/1712.09913.
    """
    stages = surface_stages(
        objective,
        plane,
        alphas=alphas,
        betas=betas,
        num_points=num_points,
        every=math.inf,
        path=path,
        stop=stop,
        seed=seed,
        progress=progress,
    )
    # The generator of the last item must run to its end, where it cleans up.
    *_, surface = stages
    return surface
