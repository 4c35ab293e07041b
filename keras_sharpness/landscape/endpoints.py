"""A point of the weight space, given as a model, a file or a vector."""

import dataclasses
import os
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.normalization.batch_norm import batch_norm_layers
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.saving import load_model

Point = keras.Model | str | os.PathLike | np.ndarray


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Weights, and the moving statistics that go with them.

    Attributes:
        weights: Array (P,).
        state: Arrays of the non-trainable variables, or None for a vector.
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
    layout, expected = WeightLayout(point), objective.layout
    if len(layout.shapes) != len(expected.shapes):
        raise ValueError(
            f"`{name}` has {len(layout.shapes)} trainable variables, the "
            f"objective's model has {len(expected.shapes)}. Only models of one "
            "architecture can be interpolated."
        )
    for index, (path, shape, other) in enumerate(
        zip(layout.paths, layout.shapes, expected.shapes, strict=True)
    ):
        if shape != other:
            raise ValueError(
                f"`{name}` cannot be interpolated: its variable {index}, "
                f"{path!r}, has shape {shape}, but {other} in the objective's "
                "model. Only models of one architecture can be interpolated."
            )
    state = tuple(
        keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(v))
        for v in point.non_trainable_variables
    )
    weights = objective.layout.check(layout.read(), name)
    return Endpoint(weights, state)


class StatePath:
    """Moving statistics between models, as the weights are between theirs.

    With coefficients c₁, …, cₖ of k models and r = Σ cᵢ, means move as the
    weights do, `Σ cᵢ mᵢ`, and variances as `r Σ cᵢ vᵢ`: linearly where r = 1,
    on a straight line or a plane (Li et al. 2018), with the square of the
    weights' scale elsewhere, and never below the smallest of the models'.

    Args:
        model: The objective's `keras.Model`.
        *ends: `Endpoint` of each model.
    """

    def __init__(self, model: keras.Model, *ends: Endpoint):
        variances = {
            id(layer.moving_variance) for layer in batch_norm_layers(model)
        }
        variables = model.non_trainable_variables
        self._is_variance = [id(v) in variances for v in variables]
        self._own = [
            keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(v))
            for v in variables
        ]
        self._states = list(zip(*(end.state for end in ends), strict=True))

    def at(self, *coefficients: float) -> list[np.ndarray]:
        """The state at given coefficients, one per model."""
        scale = sum(coefficients)
        state = []
        for own, values, is_variance in zip(
            self._own, self._states, self._is_variance, strict=True
        ):
            mixed = own  # seeds and counters do not mix
            if own.dtype.kind == "f":
                mixed = sum(
                    c * value
                    for c, value in zip(coefficients, values, strict=True)
                )
                if is_variance:
                    mixed = np.maximum(scale * mixed, np.min(values, axis=0))
            state.append(np.asarray(mixed).astype(own.dtype))
        return state
