"""C1 and C3, layer by layer, against the code of Keskar et al. 2017."""

import numpy as np
import pytest

from keras_sharpness import models
from tests.models.described import described

CONVOLUTION = [
    ("Conv2D", 64, (5, 5), (1, 1), "same"),
    ("BatchNormalization",),
    ("ReLU",),
    ("MaxPooling2D", (3, 3), (2, 2), "same"),
]


def dense(units):
    """A dense layer and what follows it."""
    return [
        ("Dense", units),
        ("BatchNormalization",),
        ("ReLU",),
        ("Dropout", 0.5),
    ]


@pytest.mark.parametrize(
    ("network", "num_classes"), [(models.C1, 10), (models.C3, 100)]
)
def test_layers_stand_in_the_code_s_order(network, num_classes):
    assert [described(layer) for layer in network().layers] == [
        ("InputLayer",),
        *CONVOLUTION,
        *CONVOLUTION,
        ("Flatten",),
        *dense(384),
        *dense(192),
        ("Dense", num_classes),
    ]


@pytest.mark.parametrize(
    ("network", "num_classes", "num_parameters"),
    [(models.C1, 10, 1_757_834), (models.C3, 100, 1_775_204)],
)
def test_defaults_have_the_published_size(network, num_classes, num_parameters):
    model = network()

    assert model.input_shape == (None, 32, 32, 3)
    assert model.get_layer("flatten").output.shape == (None, 8 * 8 * 64)
    assert model.output_shape == (None, num_classes)
    counts = [np.prod(v.shape) for v in model.trainable_variables]
    assert sum(counts) == num_parameters


@pytest.mark.parametrize("network", [models.C1, models.C3])
def test_other_images_and_classes(network):
    model = network(num_classes=4, input_shape=(9, 6, 1))

    assert model(np.zeros((2, 9, 6, 1))).shape == (2, 4)
