"""A network of 26 weights and its data, for what is kept in files."""

import keras
import numpy as np


def small_classifier(dtype="float32"):
    """Two dense layers, compiled with the cross-entropy of two classes."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="tanh", dtype=dtype),
            keras.layers.Dense(2, dtype=dtype),
        ]
    )
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def eight_samples():
    """Inputs and classes."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((8, 3)), rng.integers(0, 2, 8)
