"""Points of the weight space, given as models, files or vectors."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.loss.batch_norm import batch_norm_layers
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.saving import load_model

Point = keras.Model | str | os.PathLike | np.ndarray
Trajectory = np.ndarray | Sequence[Point]


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Weights, and all else that a model computes with.

    Attributes:
        weights: Array (P,).
        state: Arrays of the non-trainable variables: frozen weights, moving
            statistics, quantised kernels. None for a vector, which goes with
            those of the objective's model.
    """

    weights: np.ndarray
    state: tuple[np.ndarray, ...] | None


def endpoint(point: Any, name: str, objective: Objective) -> Endpoint:
    """A model, a model file or a flat vector as an `Endpoint`.

    Args:
        point: `keras.Model`, path of a `.keras` file, or array (P,).
        name: Str. What to call it in an error.
        objective: The `Objective` that will be evaluated there.

    Returns:
        An `Endpoint`.

    Raises:
        ValueError: If it does not fit the objective's model.
        ModelFileError: If the file is not a model.
    """
    if isinstance(point, str | os.PathLike):
        point = load_model(point)
    if not isinstance(point, keras.Model):
        return Endpoint(objective.layout.check(point, name), None)
    layout = WeightLayout(point)
    for kind, variables, expected in (
        ("trainable", layout.variables, objective.layout.variables),
        (
            "non-trainable",
            point.non_trainable_variables,
            objective.model.non_trainable_variables,
        ),
    ):
        _check_fits(name, kind, variables, expected)
    if _are_trainable(point) != _are_trainable(objective.model):
        raise ValueError(
            f"`{name}` cannot be interpolated: other layers are frozen in it "
            "than in the objective's model. Freeze the same ones in both."
        )
    weights = objective.layout.check(layout.read(), name)
    return Endpoint(weights, state_of(point))


def state_of(model: keras.Model) -> tuple[np.ndarray, ...]:
    """The non-trainable variables of a model, as arrays."""
    return tuple(
        keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(v))
        for v in model.non_trainable_variables
    )


def _check_fits(
    name: str,
    kind: str,
    variables: Sequence[keras.Variable],
    expected: Sequence[keras.Variable],
) -> None:
    if len(variables) != len(expected):
        raise ValueError(
            f"`{name}` has {len(variables)} {kind} variables, the objective's "
            f"model has {len(expected)}. Only models of one architecture can "
            "be interpolated."
        )
    for index, (variable, other) in enumerate(
        zip(variables, expected, strict=True)
    ):
        found, wanted = (tuple(v.shape) for v in (variable, other))
        if found != wanted:
            difference = f"shape {found}, but {wanted}"
        elif _is_float(variable) != _is_float(other):
            difference = f"dtype {variable.dtype}, but {other.dtype}"
        else:
            continue
        raise ValueError(
            f"`{name}` cannot be interpolated: its {kind} variable {index}, "
            f"{variable.path!r}, has {difference} in the objective's model. "
            "Only models of one architecture can be interpolated."
        )


def _are_trainable(model: keras.Model) -> list[bool]:
    """Which of all variables are, in the order in which they were made."""
    chosen = {id(variable) for variable in model.trainable_variables}
    return [id(variable) in chosen for variable in model.variables]


def _is_float(variable: keras.Variable) -> bool:
    return keras.backend.is_float_dtype(variable.dtype)


def _is_seed(variable: keras.Variable) -> bool:
    # What `keras.random.SeedGenerator` names its only variable.
    return variable.name == "seed_generator_state"


class StatePath:
    """The state between models, as the weights are between theirs.

    With coefficients c₁, …, cₖ of k models and r = Σ cᵢ, frozen weights and
    moving means move as the weights do, `Σ cᵢ mᵢ`, and moving variances as
    `r Σ cᵢ vᵢ`: linearly where r = 1, on a straight line or a plane (Li et al.
    2018), with the square of the weights' scale elsewhere, and never below the
    smallest of the models'. What all models have in common stays.

    Whole numbers, such as quantised kernels, do not mix. Seeds are those of the
    objective's model, and so are counters (scalars), if the loss at the ends
    does not depend on them.

    Args:
        objective: The `Objective` that is evaluated there.
        *ends: `Endpoint` of each model. A vector has the state of the
            objective's model.

    Attributes:
        is_own: Bool. Whether it is the state of the objective's model
            everywhere, all ends being vectors, or there being no state.

    Raises:
        ValueError: If the models differ in what does not mix.
    """

    def __init__(self, objective: Objective, *ends: Endpoint):
        model = objective.model
        variances = {
            id(layer.moving_variance) for layer in batch_norm_layers(model)
        }
        variables = model.non_trainable_variables
        own = state_of(model)
        self.is_own = not own or all(end.state is None for end in ends)
        states = [own if end.state is None else end.state for end in ends]
        self._variables = variables
        self._is_variance = [id(v) in variances for v in variables]
        # By variable: what it is in each model, or in all of them.
        self._values: list[list[np.ndarray] | None] = []
        self._fixed: list[Any] = []
        unmixable = []
        for place, variable in enumerate(variables):
            values = [state[place] for state in states]
            same = all(np.array_equal(values[0], v) for v in values[1:])
            mixes = _is_float(variable) and not same
            self._values.append(values if mixes else None)
            if not _is_float(variable) and not same:
                values = [own[place]]
                if not _is_seed(variable):
                    unmixable.append(place)
            self._fixed.append(keras.ops.convert_to_tensor(values[0]))
        if unmixable:
            _check_without_effect(objective, ends, states, unmixable)

    def at(self, *coefficients: float) -> list[Any]:
        """The state at given coefficients, one per model, as tensors."""
        scale = sum(coefficients)
        state = []
        for variable, values, fixed, is_variance in zip(
            self._variables,
            self._values,
            self._fixed,
            self._is_variance,
            strict=True,
        ):
            if values is None:
                state.append(fixed)
                continue
            wide = [np.asarray(value, np.float64) for value in values]
            mixed = sum(c * v for c, v in zip(coefficients, wide, strict=True))
            if is_variance:
                mixed = np.maximum(scale * mixed, np.min(wide, axis=0))
            state.append(keras.ops.convert_to_tensor(mixed, variable.dtype))
        return state


def _check_without_effect(
    objective: Objective,
    ends: Sequence[Endpoint],
    states: Sequence[Sequence[np.ndarray]],
    places: list[int],
) -> None:
    """Refuses variables that do not mix, but for counters without effect."""
    variables = objective.model.non_trainable_variables

    # As for data and layers that repeat: sums may differ by their order.
    tolerance = float(np.sqrt(np.finfo(objective.layout.dtype).eps))

    def have_no_effect(end: Endpoint, state: Sequence[np.ndarray]) -> bool:
        losses = [
            objective.value(
                end.weights,
                state=[
                    other[place] if place in places else value
                    for place, value in enumerate(state)
                ],
            )
            for other in states
        ]
        return np.ptp(losses) <= tolerance * max(1.0, abs(losses[0]))

    are_counters = all(len(variables[place].shape) == 0 for place in places)
    if are_counters and all(map(have_no_effect, ends, states)):
        return
    names = ", ".join(repr(variables[place].path) for place in places)
    raise ValueError(
        f"The models differ in {names}, which are whole numbers, and between "
        "whole numbers, such as quantised kernels, there is nothing. Give both "
        "models the same ones, or interpolate the models as they were before "
        "they were quantised."
    )


def count_points(points: Trajectory, least: int) -> int:
    """How many points a trajectory has.

    Args:
        points: Array (T, P), or a sequence of models, files or arrays (P,).
        least: Int. How many it needs.

    Returns:
        Int. T.

    Raises:
        ValueError: If there are fewer than `least`, or the array has another
            number of dimensions.
    """
    if isinstance(points, np.ndarray) and points.ndim != 2:
        raise ValueError(
            "`points` must have shape (T, P), the flat weights of one "
            f"checkpoint in each row. Received: shape {points.shape}."
        )
    # A `SavedTrajectory` is read one by one.
    if isinstance(points, str) or not (
        hasattr(points, "__len__") and hasattr(points, "__getitem__")
    ):
        raise arguments.refuse("points", points, "a list of checkpoints")
    if len(points) < least:
        raise ValueError(
            f"`points` must hold at least {least} checkpoints. Received: "
            f"{len(points)}. Keep the weights more often during training."
        )
    return len(points)


def endpoints_of(
    points: Trajectory, objective: Objective
) -> Iterator[Endpoint]:
    """Each point, checked, one after another.

    Args:
        points: Array (T, P), or a sequence of models, files or arrays (P,).
        objective: The `Objective` that will be evaluated there.

    Yields:
        An `Endpoint`.

    Raises:
        ValueError: If one does not fit the objective's model.
        ModelFileError: If a file is not a model.
    """
    for index, point in enumerate(points):
        yield endpoint(point, f"points[{index}]", objective)
