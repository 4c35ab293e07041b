"""A model of the zoo with its data, and the list of all of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

# 12 samples in batches of 5, 5 and 2.
NUM_SAMPLES = 12
BATCH_SIZE = 5

BUILDERS: dict[str, Callable[[], "Case"]] = {}


@dataclasses.dataclass
class Case:
    """What an objective is made of.

    Attributes:
        model: The model.
        data: Positional arguments of `Objective` after the model.
        options: Keyword arguments of `Objective`.
        is_single: Whether some operation of the model is float32 whatever its
            dtype, so that differences are good to fewer digits.
    """

    model: keras.Model
    data: tuple
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    is_single: bool = False


def zoo(builder: Callable[[], Case]) -> Callable[[], Case]:
    """Puts a function that builds a `Case` on the list, under its name."""
    BUILDERS[builder.__name__] = builder
    return builder


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal data, one row per sample."""
    generator = np.random.default_rng(seed)
    return generator.standard_normal((NUM_SAMPLES, *shape))


def classes(num_classes: int, *shape: int, seed: int = 1) -> np.ndarray:
    """Random class numbers, one row per sample."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, num_classes, (NUM_SAMPLES, *shape))


def cross_entropy() -> keras.losses.Loss:
    """Of class numbers and logits."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def stack(shape: tuple, *layers: Any, loss: Any = "mse") -> keras.Sequential:
    """A compiled Sequential model."""
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(loss=loss)
    return model
