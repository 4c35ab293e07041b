"""Re-estimating BatchNormalization's moving statistics at given weights."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.batches import Batches
from keras_sharpness.metrics.loss.stateless import model_at
from keras_sharpness.metrics.normalization.batch_norm import batch_norm_layers


class Moments:
    """The mean and variance of what enters each BatchNormalization layer.

    Every batch is run once with the batch's own statistics. With n_b of N
    samples, mean m_b and variance v_b in batch b, the statistics become

    `m = (1/N) Σ n_b m_b`,  `v = (1/N) Σ n_b (v_b + (m_b − m)²)`,

    the law of total variance: for a network whose first layer is normalised
    they do not depend there on how the data are cut into batches.

    Args:
        model: Built `keras.Model`.
        batches: `Batches` to estimate on.
        compile_function: Callable `(key, function)` that compiles and caches
            `function(weights, state, …)` as a function of the rest.
    """

    def __init__(
        self,
        model: keras.Model,
        batches: Batches,
        compile_function: Callable,
    ):
        self._model = model
        self._batches = batches
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

    def estimate(self, state: Sequence[Any]) -> list[Any]:
        """`state` with the statistics of the data at the present weights.

        Args:
            state: Tensors for `model.non_trainable_variables`.

        Returns:
            List of tensors, `state` with the moving statistics replaced.
        """
        state = [keras.ops.convert_to_tensor(value) for value in state]
        run = self._compile("moments", self._moments_of_batch)
        sizes, moments = [], []
        for batch in self._batches:
            sizes.append(batch.size)
            moments.append(run(batch.x))
        share = np.asarray(sizes, dtype=np.float64) / sum(sizes)
        for index, places in enumerate(self._places):
            means, variances = (
                np.array([np.asarray(m[index][i], np.float64) for m in moments])
                for i in (0, 1)
            )
            mean = share @ means
            variance = share @ (variances + (means - mean) ** 2)
            for place, value in zip(places, (mean, variance), strict=True):
                state[place] = keras.ops.convert_to_tensor(
                    value, dtype=state[place].dtype
                )
        return state

    def _moments_of_batch(self, weights, state, x):
        # From zero, a layer's update is (1 - momentum) times the statistics of
        # the batch: they can be read off without touching Keras' internals.
        state = list(state)
        for place in (place for pair in self._places for place in pair):
            state[place] = keras.ops.zeros_like(state[place])
        with model_at(
            self._model, weights, state, use_batch_statistics=True
        ) as scope:
            self._model(x, training=False)
            return [
                tuple(
                    scope.get_current_value(variable) / (1.0 - layer.momentum)
                    for variable in (layer.moving_mean, layer.moving_variance)
                )
                for layer in self._layers
            ]
