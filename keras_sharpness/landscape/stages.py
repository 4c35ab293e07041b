"""A loss surface while it grows."""

import math
import os
import time
from collections.abc import Iterator

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.coarse_to_fine import coarse_to_fine
from keras_sharpness.landscape.endpoints import Point
from keras_sharpness.landscape.objectives import Objectives, as_objectives
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.landscape.plane_points import PlanePoints
from keras_sharpness.landscape.plane_random import random_plane
from keras_sharpness.landscape.stopping import StopOption, stop_function
from keras_sharpness.landscape.surface import LossSurface
from keras_sharpness.landscape.surface_draft import SurfaceDraft
from keras_sharpness.progress import ProgressOption, track

# Between two writes of an unfinished surface: what a kill may cost.
_SECONDS_BETWEEN_WRITES = 3.0


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
