"""The six networks, layer by layer, against the paper and its code."""

import keras
import numpy as np
import pytest

from keras_sharpness import models


def described(layer):
    """The kind of a layer, and the numbers that a paper gives of it."""
    name = type(layer).__name__
    if isinstance(layer, keras.layers.Conv2D):
        details = (layer.filters, layer.kernel_size, layer.strides)
        return (name, *details, layer.padding)
    if isinstance(layer, keras.layers.MaxPooling2D):
        return (name, layer.pool_size, layer.strides, layer.padding)
    if isinstance(layer, keras.layers.Dense):
        return (name, layer.units)
    if isinstance(layer, keras.layers.Dropout):
        return (name, layer.rate)
    return (name,)


def fully_connected(number):
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
def test_dense_layers_stand_in_the_paper_s_order(
    network, num_layers, num_classes
):
    assert [described(layer) for layer in network().layers] == [
        ("InputLayer",),
        ("Flatten",),
        *fully_connected(num_layers),
        ("Dense", num_classes),
    ]


def test_small_network_has_no_batch_normalisation():
    model = models.S1()
    assert [described(layer) for layer in model.layers] == [
        ("InputLayer",),
        ("Flatten",),
        ("Dense", 64),
        ("ReLU",),
        ("Dense", 32),
        ("ReLU",),
        ("Dense", 10),
    ]
    assert model.count_params() == 785 * 64 + 65 * 32 + 33 * 10


@pytest.mark.parametrize(
    ("network", "input_shape", "num_classes", "num_parameters"),
    [
        (models.F1, (28, 28, 1), 10, 1_462_794),
        (models.F2, (360,), 1973, 2_780_085),
    ],
)
def test_dense_defaults_have_the_published_size(
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


SHALLOW_CONVOLUTION = [
    ("Conv2D", 64, (5, 5), (1, 1), "same"),
    ("BatchNormalization",),
    ("ReLU",),
    ("MaxPooling2D", (3, 3), (2, 2), "same"),
]


def dense_with_dropout(units):
    """A dense_with_dropout layer and what follows it."""
    return [
        ("Dense", units),
        ("BatchNormalization",),
        ("ReLU",),
        ("Dropout", 0.5),
    ]


@pytest.mark.parametrize(
    ("network", "num_classes"), [(models.C1, 10), (models.C3, 100)]
)
def test_shallow_layers_stand_in_the_code_s_order(network, num_classes):
    assert [described(layer) for layer in network().layers] == [
        ("InputLayer",),
        *SHALLOW_CONVOLUTION,
        *SHALLOW_CONVOLUTION,
        ("Flatten",),
        *dense_with_dropout(384),
        *dense_with_dropout(192),
        ("Dense", num_classes),
    ]


@pytest.mark.parametrize(
    ("network", "num_classes", "num_parameters"),
    [(models.C1, 10, 1_757_834), (models.C3, 100, 1_775_204)],
)
def test_shallow_defaults_have_their_size(network, num_classes, num_parameters):
    model = network()

    assert model.input_shape == (None, 32, 32, 3)
    assert model.get_layer("flatten").output.shape == (None, 8 * 8 * 64)
    assert model.output_shape == (None, num_classes)
    counts = [np.prod(v.shape) for v in model.trainable_variables]
    assert sum(counts) == num_parameters


@pytest.mark.parametrize("network", [models.C1, models.C3])
def test_other_images_and_classes_of_shallow_networks(network):
    model = network(num_classes=4, input_shape=(9, 6, 1))

    assert model(np.zeros((2, 9, 6, 1))).shape == (2, 4)


DEEP_POOL = ("MaxPooling2D", (2, 2), (2, 2), "same")


def deep_convolution(filters):
    """A deep_convolution and what always follows it."""
    return [
        ("Conv2D", filters, (3, 3), (1, 1), "same"),
        ("BatchNormalization",),
        ("ReLU",),
    ]


def stack_of_two(filters, rate):
    """Two convolutions with dropout between them."""
    return [
        *deep_convolution(filters),
        ("Dropout", rate),
        *deep_convolution(filters),
        DEEP_POOL,
    ]


def stack_of_three(filters):
    """Three convolutions with dropout behind the first two."""
    return [
        *deep_convolution(filters),
        ("Dropout", 0.4),
        *deep_convolution(filters),
        ("Dropout", 0.4),
        *deep_convolution(filters),
        DEEP_POOL,
    ]


@pytest.mark.parametrize(
    ("network", "num_classes"), [(models.C2, 10), (models.C4, 100)]
)
def test_deep_layers_stand_in_the_code_s_order(network, num_classes):
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
def test_deep_defaults_have_their_size(network, num_classes, num_parameters):
    model = network()

    assert model.input_shape == (None, 32, 32, 3)
    # Five poolings halve 32 pixels to one.
    assert model.get_layer("flatten").output.shape == (None, 512)
    assert model.output_shape == (None, num_classes)
    counts = [np.prod(v.shape) for v in model.trainable_variables]
    assert sum(counts) == num_parameters


def test_other_images_and_classes_of_deep_networks():
    # 40 pixels are an odd number of pixels after three halvings.
    model = models.C2(num_classes=3, input_shape=(40, 5, 1))

    assert model(np.zeros((1, 40, 5, 1))).shape == (1, 3)


def test_every_name_gives_its_class():
    assert models.NAMES == ("F1", "F2", "C1", "C2", "C3", "C4", "S1")
    for name in models.NAMES:
        assert models.get(name).__name__ == name
        assert models.get(name.lower()) is getattr(models, name)


def test_unknown_name_lists_the_right_ones():
    with pytest.raises(ValueError, match=r"F1, F2, C1, C2, C3, C4, S1.*'C5'"):
        models.get("C5")


def test_near_miss_is_guessed():
    with pytest.raises(ValueError, match="Did you mean 'F1'"):
        models.get("f11")


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="Received: name=1"):
        models.get(1)
