"""F1 and F2, layer by layer, against Keskar et al. 2017, appendix B."""

import numpy as np
import pytest

from keras_sharpness import models
from tests.models.described import described


def hidden_layers(number):
    """The description of `number` hidden layers."""
    return [
        ("Dense", 512),
        ("BatchNormalization",),
        ("ReLU",),
    ] * number


@pytest.mark.parametrize(
    ("network", "num_layers", "num_classes"),
    [(models.F1, 5, 10), (models.F2, 7, 1973)],
)
def test_layers_stand_in_the_paper_s_order(network, num_layers, num_classes):
    assert [described(layer) for layer in network().layers] == [
        ("InputLayer",),
        ("Flatten",),
        *hidden_layers(num_layers),
        ("Dense", num_classes),
    ]


@pytest.mark.parametrize(
    ("network", "input_shape", "num_classes", "num_parameters"),
    [
        (models.F1, (28, 28, 1), 10, 1_462_794),
        (models.F2, (360,), 1973, 2_780_085),
    ],
)
def test_defaults_have_the_published_size(
    network, input_shape, num_classes, num_parameters
):
    model = network()

    assert model.input_shape == (None, *input_shape)
    assert model.output_shape == (None, num_classes)
    counts = [np.prod(v.shape) for v in model.trainable_variables]
    assert sum(counts) == num_parameters


@pytest.mark.parametrize("network", [models.F1, models.F2])
@pytest.mark.parametrize("input_shape", [(5,), (4, 6), (3, 4, 2, 2)])
def test_any_input_shape_is_flattened(network, input_shape):
    model = network(3, input_shape)

    assert model(np.zeros((2, *input_shape))).shape == (2, 3)
    assert model.get_layer("flatten").output.shape == (
        None,
        np.prod(input_shape),
    )


def test_start_points_are_uniform_after_glorot():
    kernel = models.F1(seed=0).get_layer("dense_3").kernel.numpy()

    limit = np.sqrt(6 / (512 + 512))
    assert np.abs(kernel).max() <= limit
    # n = 512^2 uniform samples: the relative deviation of their standard
    # deviation is sqrt(0.8 / 4n) = 9e-4, and five of those are 4.4e-3.
    np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=4.4e-3)
