"""The networks behind the reference values in `tests/oracle/`.

The values were computed in float64 by an independent PyTorch and SciPy
implementation: derivatives by PyTorch's automatic differentiation, spectra by
a dense eigendecomposition, ε-sharpness by several hundred searches.
"""

import pathlib

import keras
import numpy as np
from keras import layers

FOLDER = pathlib.Path(__file__).parent / "oracle"


def linear(n_in, n_out):
    return keras.Sequential([keras.Input((n_in,)), layers.Dense(n_out)])


def mlp_tanh(n_in, n_1, n_2, n_out):
    return keras.Sequential(
        [
            keras.Input((n_in,)),
            layers.Dense(n_1, activation="tanh"),
            layers.Dense(n_2, activation="tanh"),
            layers.Dense(n_out),
        ]
    )


def mlp_relu_bn(n_in, n_1, n_2, n_out):
    return keras.Sequential(
        [
            keras.Input((n_in,)),
            layers.Dense(n_1),
            layers.BatchNormalization(epsilon=1e-3),
            layers.ReLU(),
            layers.Dense(n_2),
            layers.BatchNormalization(epsilon=1e-3),
            layers.ReLU(),
            layers.Dense(n_out),
        ]
    )


def cnn(size, channels, f_1, f_2, n_out):
    return keras.Sequential(
        [
            keras.Input((size, size, channels)),
            layers.Conv2D(f_1, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(f_2, 3, padding="valid", activation="tanh"),
            layers.Flatten(),
            layers.Dense(n_out),
        ]
    )


BUILDERS = {
    "separable_quadratic": lambda: linear(8, 2),
    "mlp_tanh": lambda: mlp_tanh(10, 16, 12, 4),
    "mlp_relu_bn": lambda: mlp_relu_bn(10, 12, 8, 5),
    "cnn": lambda: cnn(8, 2, 4, 4, 5),
}


def load(name, which="w"):
    """(model, data): the compiled model with the weights `which`, "w" or "u".

    The model is of the current floatx.
    """
    with np.load(FOLDER / f"{name}.npz") as file:
        data = dict(file)
    model = BUILDERS[name]()

    def put(variables, prefix):
        for i, variable in enumerate(variables):
            variable.assign(data[f"{prefix}_{i}"])

    put(model.trainable_variables, which)
    if "nt_0" in data:
        put(model.non_trainable_variables, "nt")
    if name == "separable_quadratic":
        loss = keras.losses.MeanSquaredError()
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    return model, data


def flat(data, prefix):
    """The weights `prefix` of a data file as one flat vector."""
    arrays = []
    while f"{prefix}_{len(arrays)}" in data:
        arrays.append(data[f"{prefix}_{len(arrays)}"].ravel())
    return np.concatenate(arrays)
