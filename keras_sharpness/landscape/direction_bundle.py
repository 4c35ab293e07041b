"""Loss along several random directions through one point."""

import time
from typing import Any

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.directions import (
    Ignore,
    Normalization,
    check_options,
    direction_sampler,
    is_bias_or_norm,
    owner_of,
)
from keras_sharpness.landscape.endpoints import Point, StatePath, endpoint
from keras_sharpness.landscape.objectives import (
    Objectives,
    StopOption,
    as_objectives,
    stop_function,
)
from keras_sharpness.landscape.plane_points import Combinations, check_axis
from keras_sharpness.landscape.results import DirectionBundle
from keras_sharpness.metrics import Objective
from keras_sharpness.progress import ProgressOption, track

ALL_LAYERS = "all layers"


def direction_bundle(
    objective: Objectives,
    center: Point | None = None,
    *,
    num_directions: int = 10,
    alphas: np.ndarray | None = None,
    normalization: Normalization = "filter",
    ignore: Ignore = "bias-and-norm",
    layers: Any = None,
    stop: StopOption = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> DirectionBundle:
    """Loss and accuracy along several random directions through one point.

    `f(θ + α dᵢ)` for filter-normalised directions dᵢ: a minimum may be sharp in
    some and flat in others, and one curve alone is an accident. With
    `layers="each"` every direction moves one layer only, which shows in which
    layers the minimum is sharp.

    It costs as many evaluations as there are directions times α, for each
    objective. Frozen weights and, in batch-norm mode `"inference"`, the moving
    statistics are those of the centre where that is a model or a file.

    Args:
        objective: `Objective`, or a dict of them, e.g. `{"train": …,
            "test": …}`, that are evaluated at the same points.
        center: `keras.Model`, path of a `.keras` file, or array (P,); the
            objective's own model when left out.
        num_directions: Int. For `layers="each"`, of each layer.
        alphas: Array (n,), ascending. 25 points from -1 to 1 by default.
        normalization: Str. As in `random_directions`.
        ignore: Str. As in `random_directions`.
        layers: `"each"`; or a layer, a layer's name, a variable or its path,
            or a list of these: only they move. All by default.
        stop: `threading.Event`, or callable that says whether to stop; what
            was evaluated is then returned.
        seed: Int.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `DirectionBundle`.

    Raises:
        ValueError: For options out of range.
        ModelFileError: If a file is not a model.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import direction_bundle

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    bundle = direction_bundle(objective, num_directions=3)
    assert bundle.loss.shape == (3, 25)
    ```

    Reference:
        Li et al. 2018, https://arxiv.org/abs/1712.09913, section 4, for the
        directions.
    """
    clock = time.perf_counter()
    stopped = stop_function(stop)
    objectives = as_objectives(objective)
    first = next(iter(objectives.values()))
    num_directions = arguments.integer(
        "num_directions", num_directions, least=1
    )
    check_options(normalization, ignore, seed)
    alphas = check_axis("alphas", alphas, np.linspace(-1.0, 1.0, 25))
    middle = endpoint(
        first.model if center is None else center, "center", first
    )
    state_path, statistics = StatePath(first, middle), first.batch_norm
    state = state_path.at(1.0)
    if statistics == "inference":
        statistics = "objective" if state_path.is_own else "center"
    groups = _groups(first, layers, ignore)
    samplers = [
        direction_sampler(
            first,
            middle.weights,
            normalization=normalization,
            ignore=ignore,
            layers=chosen,
            seed=seed,
        )
        for chosen in groups.values()
    ]
    shape = (len(groups) * num_directions, len(alphas))
    finished, lengths = np.zeros(shape, dtype=bool), np.full(shape[0], np.nan)
    values: dict[str, dict[str, np.ndarray]] = {n: {} for n in objectives}
    total = finished.size * len(objectives)
    with track("Directions", total, progress) as advance:
        for row in range(shape[0]):
            direction = samplers[row // num_directions](row % num_directions)
            lengths[row] = np.linalg.norm(direction)
            points = Combinations(
                first.layout, middle.weights, direction[None], num_kept=0
            )
            for column, alpha in enumerate(alphas):
                if stopped():
                    break
                weights = points.at(float(alpha))
                for name, function in objectives.items():
                    found = function.evaluate(weights, state=state)
                    for kind, value in found.items():
                        if kind not in values[name]:
                            values[name][kind] = np.full(shape, np.nan)
                        values[name][kind][row, column] = value
                    advance()
                finished[row, column] = True
    nothing = np.full(shape, np.nan)
    return DirectionBundle(
        alphas=alphas,
        losses={name: v.get("loss", nothing) for name, v in values.items()},
        accuracies={
            name: v["accuracy"] for name, v in values.items() if "accuracy" in v
        },
        finished=finished,
        groups=tuple(g for g in groups for _ in range(num_directions)),
        lengths=lengths,
        made={"normalization": normalization, "ignore": ignore, "seed": seed},
        moving_statistics=statistics,
        num_evaluations=int(finished.sum()) * len(objectives),
        seconds=time.perf_counter() - clock,
        objectives={name: f.settings for name, f in objectives.items()},
    )


def _groups(objective: Objective, layers: Any, ignore: str) -> dict[str, Any]:
    """What moves together, by name."""
    if not (isinstance(layers, str) and layers == "each"):
        name = ALL_LAYERS
        if layers is not None:
            items = (
                layers if isinstance(layers, list | tuple | set) else [layers]
            )
            name = ", ".join(str(getattr(i, "path", i)) for i in items)
        return {name: layers}
    groups: dict[str, list] = {}
    for variable in objective.layout.variables:
        layer = owner_of(objective.model, variable)
        if ignore == "none" or not is_bias_or_norm(layer, variable):
            groups.setdefault(layer.path, []).append(variable)
    # The name alone, where that tells them apart.
    names = [path.rsplit("/", 1)[-1] for path in groups]
    if len(set(names)) < len(names):
        names = list(groups)
    return dict(zip(names, groups.values(), strict=True))
