"""Loss and accuracy along a path between two minima."""

import time
from typing import Literal

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import Point, StatePath, endpoint
from keras_sharpness.landscape.objectives import Objectives, as_objectives
from keras_sharpness.landscape.results import Interpolation
from keras_sharpness.metrics.points import MovedWeights, PackedWeights
from keras_sharpness.progress import ProgressOption, track

Path = Literal["linear", "curvilinear"]


def barrier(positions: np.ndarray, loss: np.ndarray) -> float:
    """The largest excess of the loss over the line between its two ends.

    Args:
        positions: Array (n,), ascending; 0 and 1 among them. Positions outside
            [0, 1] do not count.
        loss: Array (n,).

    Returns:
        Float; 0 where the loss nowhere rises above that line.

    Reference:
        Entezari et al. 2022, https://arxiv.org/abs/2110.06296, section 2.
    """
    between = (positions >= 0.0) & (positions <= 1.0)
    positions, loss = positions[between], loss[between]
    chord = (1.0 - positions) * loss[0] + positions * loss[-1]
    # At the ends the excess is 0 by definition, rounding aside.
    excess = np.r_[0.0, (loss - chord)[1:-1]]
    return float(np.max(excess))


def coefficients(path: Path, alpha: float) -> tuple[float, float]:
    """The weights of start and end at one α.

    `"linear"`: `(1 − α, α)`; `"curvilinear"`: `(cos απ/2, sin απ/2)`. Both give
    the start at α = 0 and the end at α = 1, to the last bit.

    Args:
        path: Str.
        alpha: Float.

    Returns:
        Two floats.

    Raises:
        ValueError: For an unknown path.

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Figures 3 and 7.
    """
    arguments.one_of("path", path, Path)
    # cos(π/2) is 6e-17.
    if path == "linear" or alpha in (0.0, 1.0):
        return 1.0 - alpha, alpha
    return np.cos(alpha * np.pi / 2), np.sin(alpha * np.pi / 2)


def interpolate(
    objective: Objectives,
    start: Point,
    end: Point,
    *,
    path: Path = "linear",
    alphas: np.ndarray | None = None,
    progress: ProgressOption = None,
) -> Interpolation:
    """Loss and accuracy along the line, or a curve, between two minima.

    `f((1 − α) start + α end)`, or `f(cos(απ/2) start + sin(απ/2) end)` on the
    curvilinear path. Between the initial and the final weights of one training
    the straight line is the plot of Goodfellow et al.

    What else the two models compute with is interpolated too: frozen weights
    and, in batch-norm mode `"inference"`, the moving statistics; modes
    `"batch"` and `"recalibrate"` need none. A vector goes with those of the
    objective's model. Quantised kernels must be the same at both ends.

    Args:
        objective: `Objective`, or a dict of them, e.g. `{"train": …,
            "test": …}`, that are evaluated at the same points.
        start: `keras.Model`, path of a `.keras` file, or array (P,).
        end: The same.
        path: Str. `"linear"` or `"curvilinear"`.
        alphas: Array (n,). 25 points from -1 to 2 by default, as the paper.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        An `Interpolation`.

    Raises:
        ValueError: If the ends do not fit the objective's model.
        ModelFileError: If a file is not a model.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    line = ks.interpolate(objective, np.zeros(4), model)
    assert line.alphas.shape == line.loss.shape == (25,)
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Figures 3 and 7;
        Goodfellow et al. 2015, https://arxiv.org/abs/1412.6544; Entezari et
        al. 2022, https://arxiv.org/abs/2110.06296, for the barrier.
    """
    clock = time.perf_counter()
    coefficients(path, 0.0)  # refuses an unknown path before any work
    objectives = as_objectives(objective)
    first = next(iter(objectives.values()))
    alphas = _check_alphas(alphas)
    ends = endpoint(start, "start", first), endpoint(end, "end", first)
    state_path, statistics = StatePath(first, *ends), first.batch_norm
    if statistics == "inference":
        statistics = "objective" if state_path.is_own else "interpolated"
    # The barrier is measured against both ends, also where the caller's α
    # leave them out.
    points = np.union1d(alphas, [0.0, 1.0])
    found: dict[str, list[dict[str, float]]] = {name: [] for name in objectives}
    # On the device once: mixed there, a point costs a tenth of its way.
    packing = PackedWeights(first.layout)
    packed = [packing.pack(end.weights) for end in ends]
    with track(
        "Interpolation", len(points) * len(objectives), progress
    ) as advance:
        for alpha in points:
            from_start, from_end = coefficients(path, alpha)
            w = MovedWeights(from_start * packed[0], from_end * packed[1])
            state = state_path.at(from_start, from_end)
            for name, function in objectives.items():
                found[name].append(function.evaluate(w, state=state))
                advance()
    wanted = np.searchsorted(points, alphas)
    losses = {
        name: np.array([value["loss"] for value in values])
        for name, values in found.items()
    }
    return Interpolation(
        alphas=alphas,
        losses={name: loss[wanted] for name, loss in losses.items()},
        accuracies={
            name: np.array([value["accuracy"] for value in values])[wanted]
            for name, values in found.items()
            if "accuracy" in values[0]
        },
        barriers={name: barrier(points, loss) for name, loss in losses.items()},
        path=path,
        distance=float(np.linalg.norm(ends[1].weights - ends[0].weights)),
        moving_statistics=statistics,
        num_evaluations=len(points) * len(objectives),
        seconds=time.perf_counter() - clock,
        objectives={name: f.settings for name, f in objectives.items()},
    )


def _check_alphas(alphas: np.ndarray | None) -> np.ndarray:
    if alphas is None:
        return np.linspace(-1.0, 2.0, 25)
    remedy = "Pass e.g. np.linspace(-1, 2, 25)."
    found = arguments.array("alphas", alphas, shape=(None,), remedy=remedy)
    if not found.size:
        raise arguments.refuse("alphas", alphas, "a list of numbers", remedy)
    return found
