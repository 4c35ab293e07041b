"""Loss and accuracy on a plane of the weight space."""

import math
import os
import time
from collections.abc import Iterator

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.coarse_to_fine import coarse_to_fine
from keras_sharpness.landscape.endpoints import Point
from keras_sharpness.landscape.objectives import (
    Objectives,
    StopOption,
    as_objectives,
    stop_function,
)
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.landscape.plane_points import PlanePoints
from keras_sharpness.landscape.planes_around import random_plane
from keras_sharpness.landscape.results import LossSurface
from keras_sharpness.landscape.surface_draft import SurfaceDraft
from keras_sharpness.progress import ProgressOption, track

# Between two writes of an unfinished surface: what a kill may cost.
_SECONDS_BETWEEN_WRITES = 3.0


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


def surface_stages(
    objective: Objectives,
    plane: Plane | Point | None = None,
    *,
    alphas: np.ndarray | None = None,
    betas: np.ndarray | None = None,
    num_points: int | tuple[int, int] = 25,
    every: float = 1.0,
    path: str | os.PathLike | None = None,
    stop: StopOption = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Iterator[LossSurface]:
    """The loss surface again and again while it is computed.

    For those who draw it meanwhile; `loss_surface` explains the arguments. A
    generator: what it computes between two items, it computes when the next
    one is asked for. Left early, by `close()` or by an exception in the loop
    around it, it writes `path`.

    Args:
        objective: `Objective`, or a dict of them.
        plane: `Plane`, or the centre of a `random_plane`, or None.
        alphas: Array (n,), ascending.
        betas: Array (m,), ascending.
        num_points: Int, or two.
        every: Float. Seconds after which an unfinished surface is handed out
            though no coarse grid was completed; infinity for never.
        path: Path of a `*.json` file.
        stop: `threading.Event`, or callable that says whether to stop.
        seed: Int. For a random plane.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Yields:
        `LossSurface`: one whenever a coarser grid is complete and every
        `every` seconds; the last one is as complete as it gets.

    Raises:
        ValueError: As `loss_surface`.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import surface_stages

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    for surface in surface_stages(objective, num_points=5, every=np.inf):
        print(surface.finished.sum())  # 9, then 25
    ```
    """
    stopped = stop_function(stop)
    objectives = as_objectives(objective)
    first = next(iter(objectives.values()))
    # Infinity shows nothing in between.
    if every != math.inf:
        every = arguments.real("every", every, least=0.0)
    seed = arguments.seed(seed)
    if not isinstance(plane, Plane | keras.Model | str | os.PathLike | None):
        first.layout.check(plane, "plane")
    if not isinstance(plane, Plane):
        plane = random_plane(first, plane, seed=seed)
    points = PlanePoints(first, plane, alphas, betas, num_points)
    draft = SurfaceDraft(objectives, plane, points, path)
    remaining = int(np.count_nonzero(~draft.finished))
    total = remaining * len(objectives)
    shown = written = time.perf_counter()
    try:
        with track("Loss surface", total, progress) as advance:
            for stage in coarse_to_fine(*draft.finished.shape):
                left = [place for place in stage if not draft.finished[place]]
                for place in left:
                    if stopped():
                        yield draft.result()
                        return
                    begun = time.perf_counter()
                    weights, state = points.at(*place)
                    values = {}
                    for name, function in objectives.items():
                        values[name] = function.evaluate(weights, state=state)
                        advance()
                    now = time.perf_counter()
                    draft.put(place, values, now - begun)
                    if path and now - written > _SECONDS_BETWEEN_WRITES:
                        draft.write()
                        written = now
                    if now - shown > every and place != left[-1]:
                        yield draft.result()
                        shown = time.perf_counter()
                if left and not draft.is_complete:
                    yield draft.result()
                    shown = time.perf_counter()
        yield draft.result()
    finally:
        # Whatever ends the work, what was finished is kept.
        if path:
            draft.write()
