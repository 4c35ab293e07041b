"""The layer groups that the networks are made of."""

from typing import Any

import keras
import numpy as np


class Blocks:
    """Adds named groups of layers to a functional graph.

    Every layer gets the same dtype policy, and seeds of its own if there is
    a seed. Images are channels-last whatever Keras' global setting.

    Args:
        policy: The `keras.DTypePolicy` of all layers.
        seed: Integer, or `None`: Keras' global seed decides.
    """

    def __init__(self, *, policy: Any, seed: int | None) -> None:
        self._policy = policy
        self._generator = None if seed is None else np.random.default_rng(seed)

    def dense(self, x: Any, units: int, *, name: str) -> Any:
        """Dense - batch normalisation - ReLU, (batch, units)."""
        x = keras.layers.Dense(
            units,
            kernel_initializer=self._glorot_uniform(),
            dtype=self._policy,
            name=name,
        )(x)
        return self._normalized_relu(x, name=name)

    def convolution(
        self, x: Any, filters: int, kernel_size: int, *, name: str
    ) -> Any:
        """Convolution of stride 1 - batch normalisation - ReLU, same size."""
        x = keras.layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            data_format="channels_last",
            kernel_initializer=self._glorot_uniform(),
            dtype=self._policy,
            name=name,
        )(x)
        return self._normalized_relu(x, name=name)

    def max_pool(self, x: Any, pool_size: int, *, name: str) -> Any:
        """Largest value of each window, at every second pixel."""
        return keras.layers.MaxPooling2D(
            pool_size,
            strides=2,
            padding="same",
            data_format="channels_last",
            dtype=self._policy,
            name=name,
        )(x)

    def dropout(self, x: Any, rate: float, *, name: str) -> Any:
        """Dropout of the share `rate`."""
        return keras.layers.Dropout(
            rate, seed=self._next_seed(), dtype=self._policy, name=name
        )(x)

    def flatten(self, x: Any) -> Any:
        """One feature vector per sample."""
        return keras.layers.Flatten(
            data_format="channels_last", dtype=self._policy, name="flatten"
        )(x)

    def logits(self, x: Any, num_classes: int) -> Any:
        """The last layer: linear, without softmax."""
        return keras.layers.Dense(
            num_classes,
            kernel_initializer=self._glorot_uniform(),
            dtype=self._policy,
            name="logits",
        )(x)

    def _normalized_relu(self, x: Any, *, name: str) -> Any:
        x = keras.layers.BatchNormalization(
            axis=-1, dtype=self._policy, name=f"{name}_normalization"
        )(x)
        return keras.layers.ReLU(dtype=self._policy, name=f"{name}_relu")(x)

    def _glorot_uniform(self) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=self._next_seed())

    def _next_seed(self) -> int | None:
        if self._generator is None:
            return None
        return int(self._generator.integers(2**31))
