"""C2 and C4, layer by layer, against the code of Keskar et al. 2017."""

import numpy as np
import pytest

from keras_sharpness import models
from tests.models.described import described

POOL = ("MaxPooling2D", (2, 2), (2, 2), "same")


def convolution(filters):
    """A convolution and what always follows it."""
    return [
        ("Conv2D", filters, (3, 3), (1, 1), "same"),
        ("BatchNormalization",),
        ("ReLU",),
    ]


def stack_of_two(filters, rate):
    """Two convolutions with dropout between them."""
    return [
        *convolution(filters),
        ("Dropout", rate),
        *convolution(filters),
        POOL,
    ]


def stack_of_three(filters):
    """Three convolutions with dropout behind the first two."""
    return [
        *convolution(filters),
        ("Dropout", 0.4),
        *convolution(filters),
        ("Dropout", 0.4),
        *convolution(filters),
        POOL,
    ]


@pytest.mark.parametrize(
    ("network", "num_classes"), [(models.C2, 10), (models.C4, 100)]
)
def test_layers_stand_in_the_code_s_order(network, num_classes):
    model = network(input_shape=(2, 2, 1))

    assert [described(layer) for layer in model.layers] == [
        ("InputLayer",),
        *stack_of_two(64, 0.3),
        *stack_of_two(128, 0.4),
        *stack_of_three(256),
        *stack_of_three(512),
        *stack_of_three(512),
        ("Flatten",),
        ("Dropout", 0.5),
        ("Dense", 512),
        ("BatchNormalization",),
        ("ReLU",),
        ("Dropout", 0.5),
        ("Dense", num_classes),
    ]


@pytest.mark.parametrize(
    ("network", "num_classes", "num_parameters"),
    [(models.C2, 10, 14_991_946), (models.C4, 100, 15_038_116)],
)
def test_defaults_have_the_published_size(network, num_classes, num_parameters):
    model = network()

    assert model.input_shape == (None, 32, 32, 3)
    # Five poolings halve 32 pixels to one.
    assert model.get_layer("flatten").output.shape == (None, 512)
    assert model.output_shape == (None, num_classes)
    counts = [np.prod(v.shape) for v in model.trainable_variables]
    assert sum(counts) == num_parameters


def test_other_images_and_classes():
    # 40 pixels are an odd number of pixels after three halvings.
    model = models.C2(num_classes=3, input_shape=(40, 5, 1))

    assert model(np.zeros((1, 40, 5, 1))).shape == (1, 3)
