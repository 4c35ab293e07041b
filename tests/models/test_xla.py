"""Which layers XLA is asked to compile."""

import keras
import pytest

from keras_sharpness import models
from keras_sharpness.models.xla import gains_from_xla

layers = keras.layers


class Own(layers.Dense):
    """May do anything."""


def stack(*inner):
    return keras.Sequential([keras.Input((4, 4, 1)), *inner])


def test_dense_networks_gain():
    dense = stack(
        layers.Flatten(), layers.Dense(3, "relu"), layers.Dropout(0.5)
    )
    assert gains_from_xla(dense)
    assert gains_from_xla(models.F1(input_shape=(4, 4, 1), seed=0))
    # So do such networks inside of one.
    assert gains_from_xla(stack(layers.Rescaling(0.5), dense))


@pytest.mark.parametrize(
    "layer", [layers.Conv2D(2, 3), layers.MaxPooling2D(), Own(2)]
)
def test_one_other_layer_is_enough_not_to(layer):
    assert not gains_from_xla(stack(layer))
    assert not gains_from_xla(stack(stack(layer), layers.Flatten()))
