"""Activations and losses."""

import keras
import numpy as np
from keras import layers

from tests.zoo.case import (
    NUM_SAMPLES,
    Case,
    classes,
    normal,
    stack,
    zoo,
)

SMOOTH = (
    "celu",
    "elu",
    "exponential",
    "gelu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "squareplus",
    "tanh",
    "tanh_shrink",
)
WITH_KINKS = (
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "relu",
    "relu6",
    "soft_shrink",
    "hard_shrink",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
)


def all_of(activations):
    inputs = keras.Input((4,))
    hidden = [
        layers.Activation(name)(layers.Dense(4)(inputs)) for name in activations
    ]
    outputs = layers.Dense(2, "tanh")(layers.Concatenate()(hidden))
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse")
    return Case(model, (normal(4), normal(2)))


@zoo
def smooth_activations():
    return all_of(SMOOTH)


@zoo
def activations_with_kinks():
    # No entry of these layers' inputs changes side within a difference.
    return all_of(WITH_KINKS)


@zoo
def activation_layers():
    model = stack(
        (4,),
        layers.Dense(4),
        layers.PReLU(alpha_initializer=keras.initializers.Constant(0.3)),
        layers.Dense(4),
        layers.LeakyReLU(),
        layers.Dense(4),
        layers.ELU(),
        layers.Dense(4),
        layers.ReLU(max_value=6, negative_slope=0.1, threshold=0.1),
        layers.Dense(4),
        layers.Softmax(),
    )
    return Case(model, (normal(4), normal(4)))


def probabilities(loss, y, activation="softmax", units=3):
    model = stack((4,), layers.Dense(units, activation), loss=loss)
    return Case(model, (normal(4), y))


def one_hot():
    return np.eye(3)[classes(3)]


LOSSES = {
    "categorical_crossentropy": one_hot,
    "categorical_focal_crossentropy": one_hot,
    "kl_divergence": lambda: (one_hot() + 0.1) / 1.3,
    "cosine_similarity": one_hot,
    "log_cosh": one_hot,
    "poisson": one_hot,
    "mean_squared_logarithmic_error": one_hot,
    "mean_absolute_percentage_error": lambda: one_hot() + 1,
    "binary_focal_crossentropy": one_hot,
}


def several_losses(names):
    inputs = keras.Input((4,))
    outputs = {
        name: layers.Dense(3, "softmax", name=name)(inputs) for name in names
    }
    model = keras.Model(inputs, outputs)
    model.compile(loss={name: name for name in names})
    return Case(model, (normal(4), {name: LOSSES[name]() for name in names}))


@zoo
def losses():
    return several_losses(LOSSES)


@zoo
def dice_loss():
    """Keras reduces it to one number for the whole batch."""
    return probabilities(keras.losses.Dice(), one_hot())


@zoo
def a_function_as_loss():
    def fourth_power(y, y_pred):
        return keras.ops.mean((y - y_pred) ** 4, axis=-1)

    case = probabilities("mse", one_hot())
    case.options["loss"] = fourth_power
    case.options["sample_weight"] = np.linspace(0, 2, NUM_SAMPLES)
    return case
