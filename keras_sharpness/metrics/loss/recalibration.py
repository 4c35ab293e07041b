"""Re-estimating BatchNormalization's moving statistics at given weights."""

import contextlib
import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.batches import Batches
from keras_sharpness.metrics.loss.batch_norm import batch_norm_layers
from keras_sharpness.metrics.loss.stateless import model_at
from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)


class Recalibration:
    """The mean and variance of what enters each BatchNormalization layer.

    Every batch is run once with its own statistics. A layer that is called
    several times, as in a Siamese network, sees all that enters it: with n_c
    entries of each channel, mean m_c and variance v_c in call c of a batch, and
    n their sum over the calls of all batches, the statistics become

    `m = (1/n) Σ n_c m_c`,  `v = (1/n) Σ n_c (v_c + (m_c − m)²)`,

    the law of total variance: for a network whose first layer is normalised
    they do not depend there on how the data are cut into batches. Entries that
    a mask leaves out are not counted, as Keras' layer leaves them out. Training
    instead takes a running mean over calls and batches, whatever their size, in
    which `(m_c − m)²` is missing.

    Args:
        model: Built `keras.Model`.
        batches: `Batches` to estimate on.
        compile_function: Callable `(key, function)` that compiles and caches
            `function(weights, state, …)` as a function of the rest.

    Attributes:
        batches: The same.
    """

    def __init__(
        self,
        model: keras.Model,
        batches: Batches,
        compile_function: Callable,
    ):
        self._model = model
        self.batches = batches
        self._compile = compile_function
        # A frozen layer normalises by its moving statistics in training too.
        self._layers = [
            layer for layer in batch_norm_layers(model) if layer.trainable
        ]
        places = {id(v): i for i, v in enumerate(model.non_trainable_variables)}
        self._places = [
            (places[id(layer.moving_mean)], places[id(layer.moving_variance)])
            for layer in self._layers
        ]

    def on(self, batches: Batches) -> "Recalibration":
        """The same of other data, without compiling anew.

        Args:
            batches: `Batches`.

        Returns:
            `Recalibration`.
        """
        other = copy.copy(self)
        other.batches = batches
        return other

    def estimate(self, state: Sequence[Any]) -> list[Any]:
        """`state` with the statistics of the data at the present weights.

        Args:
            state: Tensors for `model.non_trainable_variables`.

        Returns:
            List of tensors, `state` with the moving statistics replaced.
        """
        state = [keras.ops.convert_to_tensor(value) for value in state]
        run = self._compile("moments", self._moments_of_batch)
        calls: list[list[Any]] = [[] for _ in self._layers]
        for batch in self.batches:
            for of_layer, found in zip(calls, run(batch.x), strict=True):
                of_layer += found
        for places, of_layer in zip(self._places, calls, strict=True):
            if not of_layer:
                continue  # a layer that the model does not call
            before = [np.asarray(state[place], np.float64) for place in places]
            for place, value in zip(
                places, _pooled(of_layer, *before), strict=True
            ):
                state[place] = keras.ops.convert_to_tensor(
                    value, dtype=state[place].dtype
                )
        return state

    def _moments_of_batch(self, weights, state, x):
        found: list[list[Any]] = [[] for _ in self._layers]
        with (
            model_at(
                self._model, weights, state, use_batch_statistics=True
            ) as scope,
            contextlib.ExitStack() as stack,
        ):
            for layer, calls in zip(self._layers, found, strict=True):
                call = functools.partial(
                    _recorded, layer=layer, scope=scope, calls=calls
                )
                stack.enter_context(replaced_functions(layer, call=call))
            self._model(x, training=False)
        return found


def _recorded(
    call: Callable,
    inputs: Any,
    *others: Any,
    layer: keras.layers.BatchNormalization,
    scope: keras.StatelessScope,
    calls: list[Any],
    **options: Any,
) -> Any:
    """Calls a layer, and keeps the count, the mean and the variance of it."""
    variables = (layer.moving_mean, layer.moving_variance)

    def values() -> list[Any]:
        return [scope.get_current_value(variable) for variable in variables]

    def assign(values: Sequence[Any]) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    before = values()
    # From zero, a layer's update is (1 - momentum) times the statistics of the
    # call: they can be read off without touching Keras' internals.
    assign([keras.ops.zeros_like(value) for value in before])
    zeros = values()
    outputs = call(inputs, *others, **options)
    moved = values()
    assign(before)
    if any(a is b for a, b in zip(moved, zeros, strict=True)):
        # One of the caller's kinds, that does not move its statistics here.
        return call(inputs, *others, **options)
    moments = [value / (1.0 - layer.momentum) for value in moved]
    mask = others[1] if len(others) > 1 else options.get("mask")
    calls.append((_count(inputs, mask, layer.axis), *moments))
    return outputs


def _count(inputs: Any, mask: Any, axis: int) -> Any:
    """The number of entries of each channel that statistics are taken of."""
    ops = keras.ops
    axes = [
        i for i in range(len(inputs.shape)) if i != axis % len(inputs.shape)
    ]
    valid = ops.ones((1,) * len(inputs.shape), "float64")
    if mask is not None:
        valid = ops.expand_dims(ops.cast(ops.cast(mask, "bool"), "float64"), -1)
    return ops.sum(ops.broadcast_to(valid, ops.shape(inputs)), axes)


def _pooled(
    calls: Sequence[Any], mean: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over calls; those before where nothing was valid."""
    counts, means, variances = (
        np.array([np.asarray(call[i], np.float64) for call in calls])
        for i in range(3)
    )
    total = counts.sum(axis=0)
    shares = counts / np.maximum(total, 1.0)
    pooled = np.sum(shares * means, axis=0)
    spread = np.sum(shares * (variances + (means - pooled) ** 2), axis=0)
    return (
        np.where(total > 0, pooled, mean),
        np.where(total > 0, spread, variance),
    )
