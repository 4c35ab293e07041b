"""A curve of low loss between two minima."""

import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import Point, StatePath, endpoint
from keras_sharpness.landscape.interpolate import barrier
from keras_sharpness.landscape.objectives import (
    Objectives,
    StopOption,
    as_objectives,
    stop_function,
)
from keras_sharpness.landscape.results import Connection
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.loss.batch_norm import batch_norm_layers
from keras_sharpness.progress import ProgressOption, track

Curve = Literal["bezier", "polygon"]
# Of the typical difference of the ends in one weight: the bend can then leave
# the line by several times the distance of the ends in some hundred steps.
_RELATIVE_RATE = 0.1
_SEGMENTS = 200


def curve_coefficients(curve: Curve, t: float) -> tuple[float, float, float]:
    """The weights of start, bend and end at one t.

    `"bezier"`: `((1 − t)², 2t (1 − t), t²)`; `"polygon"`: straight to the bend,
    which is reached at t = 1/2, and straight on. They sum to 1, and with the
    bend half-way between the ends both curves are the straight line.

    Args:
        curve: Str.
        t: Float in [0, 1].

    Returns:
        Three floats.

    Raises:
        ValueError: For an unknown curve.

    Reference:
        Garipov et al. 2018, https://arxiv.org/abs/1802.10026, section 3.1.
    """
    if curve == "bezier":
        return (1.0 - t) ** 2, 2.0 * t * (1.0 - t), t**2
    arguments.one_of("curve", curve, Curve)
    if t <= 0.5:
        return 1.0 - 2.0 * t, 2.0 * t, 0.0
    return 0.0, 2.0 * (1.0 - t), 2.0 * t - 1.0


class Adam:
    """Steps of Adam in float64, with the usual decay rates.

    Of its own and not Keras': the vector is a NumPy array of all weights, and
    a compiled update of a variable of that size costs a copy there and back.

    Args:
        size: Int. Length of the vector.

    Reference:
        Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, algorithm 1.
    """

    _DECAYS = 0.9, 0.999
    _EPSILON = 1e-8

    def __init__(self, size: int):
        self._moments = np.zeros((2, size))
        self._count = 0

    def step(self, gradient: np.ndarray, learning_rate: float) -> np.ndarray:
        """What to add to the vector.

        Args:
            gradient: Array (P,).
            learning_rate: Float.

        Returns:
            Array (P,).
        """
        self._count += 1
        unbiased = []
        for moment, decay, value in zip(
            self._moments,
            self._DECAYS,
            (gradient, np.square(gradient)),
            strict=True,
        ):
            moment *= decay
            moment += (1.0 - decay) * value
            unbiased.append(moment / (1.0 - decay**self._count))
        return (
            -learning_rate
            * unbiased[0]
            / (np.sqrt(unbiased[1]) + self._EPSILON)
        )


def connect_minima(
    objective: Objectives,
    start: Point,
    end: Point,
    *,
    curve: Curve = "bezier",
    num_steps: int = 200,
    learning_rate: float | None = None,
    minibatches: Sequence[Objective] | None = None,
    bend: np.ndarray | None = None,
    num_points: int = 61,
    stop: StopOption = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Connection:
    """A curve of low loss between two minima, and the barrier that it avoids.

    With φ(0) the start, φ(1) the end and θ the bend,

    - `"bezier"`: `φ(t) = (1 − t)² start + 2t (1 − t) θ + t² end`;
    - `"polygon"`: straight from the start to θ and on to the end.

    θ begins half-way, where both curves are the straight line, and minimises
    the mean of f(φ(t)) over t ~ U(0, 1): every step draws one t, and Adam
    follows `∇f(φ(t)) ∂φ∕∂θ`. The learning rate is constant for half of the
    steps and falls linearly to a hundredth until nine tenths, as the authors
    do. Then loss and accuracy are evaluated along the line and the curve.

    Moving statistics belong to the ends and not to what lies between: networks
    with BatchNormalization need an objective of `batch_norm="recalibrate"`,
    which re-estimates them at every point, or `"batch"`. The derivatives of
    `"recalibrate"` hold the statistics fixed; to train as the authors do, pass
    `minibatches` of mode `"batch"`. Frozen weights that differ are mixed by
    `(1 − t, t)`, on the line and the curve.

    It costs `num_steps` gradients of the first objective and twice
    `num_points` evaluations of all (`estimate_cost`).

    Args:
        objective: `Objective`, or a dict of them, e.g. `{"train": …,
            "test": …}`. The first one trains the bend.
        start: `keras.Model`, path of a `.keras` file, or array (P,).
        end: The same.
        curve: Str. `"bezier"` or `"polygon"`.
        num_steps: Int. 0 evaluates only.
        learning_rate: Float. By default a tenth of the root mean square of
            `end − start`.
        minibatches: `Objective`s on parts of the data; every step draws one of
            them in the place of the first objective.
        bend: Array (P,). Where θ begins, such as `bend` of an earlier result,
            to go on with it.
        num_points: Int. Points along each path, at least 3.
        stop: `threading.Event`, or callable that says whether to stop, looked
            at before every step; the curve is then evaluated as it is.
        seed: Int. For t and minibatches.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `Connection`.

    Raises:
        ValueError: For ends that do not fit or are the same, for options out
            of range, and for moving statistics that do not fit the curve.
        ModelFileError: If a file is not a model.
        FloatingPointError: If a gradient is not finite.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.landscape import connect_minima

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    way = connect_minima(
        objective, np.zeros(4), np.ones(4), num_steps=5, num_points=11
    )
    assert way.barrier == 0.0  # the loss is convex
    ```

    Reference:
        Garipov et al. 2018, https://arxiv.org/abs/1802.10026, section 3;
        barriers as Entezari et al. 2022, https://arxiv.org/abs/2110.06296.
    """
    clock = time.perf_counter()
    stopped = stop_function(stop)
    objectives = as_objectives(objective)
    first = next(iter(objectives.values()))
    arguments.one_of("curve", curve, Curve)
    num_steps = arguments.integer("num_steps", num_steps, least=0)
    num_points = arguments.integer("num_points", num_points, least=3)
    learning_rate = arguments.real(
        "learning_rate", learning_rate, above=0.0, optional=True
    )
    seed = arguments.seed(seed)
    trainers = _check_trainers(first, minibatches)
    given = [
        endpoint(point, name, first)
        for point, name in ((start, "start"), (end, "end"))
    ]
    state_path = StatePath(first, *given)
    ends = [end.weights for end in given]
    difference = ends[1] - ends[0]
    if not difference.any():
        raise ValueError(
            "`start` and `end` are the same point. Pass two minima, such as "
            "models trained with different seeds."
        )
    middle = ends[0] + 0.5 * difference
    theta = middle.copy()
    if bend is not None:
        theta = first.layout.check(bend, "bend").copy()
    if learning_rate is None:
        learning_rate = _RELATIVE_RATE * float(np.sqrt(np.mean(difference**2)))
    ts = np.linspace(0.0, 1.0, num_points)
    total = num_steps + 2 * num_points * len(objectives)
    with track("Connection", total, progress) as advance:
        lines = _along(objectives, ends, middle, curve, ts, state_path, advance)
        optimizer, history, history_ts = Adam(first.size), [], []
        for step in range(num_steps):
            if stopped():
                break
            # A stream for each step: what is drawn does not depend on how
            # the work was cut.
            rng = np.random.default_rng([seed, step])
            t = float(rng.uniform())
            trainer = trainers[int(rng.integers(len(trainers)))]
            weights = _point(ends, theta, curve, t)
            loss, gradient = trainer.value_and_gradient(
                weights, state=state_path.at(1.0 - t, t)
            )
            if not np.all(np.isfinite(gradient)):
                raise FloatingPointError(
                    f"The gradient at t = {t:.3f} in step {step} is not "
                    "finite. Pass a smaller `learning_rate`; received: "
                    f"{learning_rate:.3g}."
                )
            rate = learning_rate * _schedule(step / num_steps)
            share = curve_coefficients(curve, t)[1]
            theta += optimizer.step(share * gradient, rate)
            history.append(loss)
            history_ts.append(t)
            advance()
        found = _along(objectives, ends, theta, curve, ts, state_path, advance)
    return Connection(
        curve=curve,
        ts=ts,
        losses=found["loss"],
        line_losses=lines["loss"],
        accuracies=found.get("accuracy", {}),
        line_accuracies=lines.get("accuracy", {}),
        barriers={n: barrier(ts, loss) for n, loss in found["loss"].items()},
        line_barriers={
            n: barrier(ts, loss) for n, loss in lines["loss"].items()
        },
        bend=theta,
        history=np.array(history),
        history_ts=np.array(history_ts),
        learning_rate=learning_rate,
        num_steps=num_steps,
        distance=float(np.linalg.norm(difference)),
        curve_length=_length(ends, theta, curve),
        num_evaluations=2 * num_points * len(objectives),
        num_gradients=len(history),
        seconds=time.perf_counter() - clock,
        seed=seed,
        objectives={name: f.settings for name, f in objectives.items()},
    )


def _schedule(progress: float) -> float:
    """The share of the learning rate, from 1 down to a hundredth."""
    falling = np.clip((progress - 0.5) / 0.4, 0.0, 1.0)
    return float(1.0 - 0.99 * falling)


def _point(
    ends: list[np.ndarray], theta: np.ndarray, curve: Curve, t: float
) -> np.ndarray:
    from_start, from_bend, from_end = curve_coefficients(curve, t)
    return from_start * ends[0] + from_bend * theta + from_end * ends[1]


def _length(ends: list[np.ndarray], theta: np.ndarray, curve: Curve) -> float:
    """By the derivative, a combination of two vectors at every t."""
    sides = np.stack([theta - ends[0], ends[1] - theta])
    gram = sides @ sides.T
    if curve == "polygon":
        return float(np.sum(np.sqrt(np.diag(gram))))
    t = (np.arange(_SEGMENTS) + 0.5) / _SEGMENTS
    shares = 2.0 * np.stack([1.0 - t, t])
    squares = np.einsum("it,ij,jt->t", shares, gram, shares)
    return float(np.mean(np.sqrt(np.maximum(squares, 0.0))))


def _along(
    objectives: dict[str, Objective],
    ends: list[np.ndarray],
    theta: np.ndarray,
    curve: Curve,
    ts: np.ndarray,
    state_path: StatePath,
    advance: Callable[[], None],
) -> dict[str, dict[str, np.ndarray]]:
    """Loss and accuracy of all objectives, by kind and name."""
    found: dict[str, dict[str, list[float]]] = {}
    for t in ts:
        weights = _point(ends, theta, curve, t)
        state = state_path.at(1.0 - t, t)
        for name, function in objectives.items():
            values = function.evaluate(weights, state=state)
            for kind, value in values.items():
                found.setdefault(kind, {}).setdefault(name, []).append(value)
            advance()
    return {
        kind: {name: np.array(values) for name, values in by_name.items()}
        for kind, by_name in found.items()
    }


def _check_trainers(
    first: Objective, minibatches: Sequence[Objective] | None
) -> list[Objective]:
    if minibatches is None:
        trainers = [first]
    else:
        arguments.instance(
            "minibatches", minibatches, Sequence, "a list of Objectives"
        )
        trainers = list(minibatches)
    if not trainers or any(
        not isinstance(trainer, Objective)
        or trainer.layout.shapes != first.layout.shapes
        for trainer in trainers
    ):
        raise ValueError(
            "`minibatches` must be Objectives of the same architecture, at "
            f"least one. Received: {len(trainers)} items."
        )
    for one in (first, *trainers):
        if one.batch_norm == "inference" and batch_norm_layers(one.model):
            raise ValueError(
                f"Model {one.model.name!r} has BatchNormalization, and between "
                "two models there are no moving statistics that fit. Build the "
                "objectives with `batch_norm='recalibrate'`, or 'batch'."
            )
    return trainers
