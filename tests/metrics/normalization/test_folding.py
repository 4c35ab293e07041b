"""Folding BatchNormalization changes the cost, not the function."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.normalization.folding import (
    foldable_pairs,
    gaining_pairs,
)

layers = keras.layers


def network(*middle):
    model = keras.Sequential([keras.Input((6, 6, 2)), *middle, layers.Dense(3)])
    generator = np.random.default_rng(0)
    for variable in model.variables:
        low = 0.5 if "variance" in variable.path else -0.5
        variable.assign(generator.uniform(low, 1.0, variable.shape))
    return model


def folded_names(model):
    return [(a.name, b.name) for a, b in foldable_pairs(model)]


FOLDED = {
    "convolution": lambda: [
        layers.Conv2D(4, 3, name="linear"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
        layers.Flatten(),
    ],
    "no bias, no scale, no centre": lambda: [
        layers.Conv2D(4, 3, use_bias=False, strides=2, name="linear"),
        layers.BatchNormalization(scale=False, center=False, name="norm"),
        layers.Activation("tanh"),
        layers.Flatten(),
    ],
    "dense": lambda: [
        layers.GlobalAveragePooling2D(),
        layers.Dense(5, name="linear"),
        layers.BatchNormalization(name="norm"),
        layers.Activation("tanh"),
    ],
    "dense, of sequences": lambda: [
        layers.Reshape((9, 8)),
        layers.Dense(5, use_bias=False, name="linear"),
        layers.BatchNormalization(name="norm"),
        layers.Activation("tanh"),
        layers.Flatten(),
    ],
    "one dimension": lambda: [
        layers.Reshape((9, 8)),
        layers.Conv1D(5, 2, name="linear"),
        layers.BatchNormalization(epsilon=0.1, name="norm"),
        layers.Activation("tanh"),
        layers.Flatten(),
    ],
}


@pytest.mark.parametrize("middle", FOLDED.values(), ids=FOLDED.keys())
def test_value_gradient_and_product_are_unchanged(middle, float64):
    model = network(*middle())
    assert folded_names(model) == [("linear", "norm")]
    assert len(gaining_pairs(foldable_pairs(model), 9)) == 1
    generator = np.random.default_rng(1)
    x, y = generator.standard_normal((9, 6, 6, 2)), generator.integers(0, 3, 9)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    folded = Objective(model, x, y)
    # An activity regulariser of strength 0 keeps the layers apart.
    model.get_layer("linear").activity_regularizer = keras.regularizers.L2(0.0)
    assert foldable_pairs(model) == []
    apart = Objective(model, x, y)
    v = generator.standard_normal(folded.size)
    # Float64 sums of some hundred terms, in another order.
    assert folded.value() == pytest.approx(apart.value(), rel=1e-13)
    for a, b in (
        (folded.gradient(), apart.gradient()),
        (folded.hessian_product(v), apart.hessian_product(v)),
    ):
        assert np.linalg.norm(a - b) < 1e-12 * np.linalg.norm(b)
    assert folded.value() == pytest.approx(
        model.evaluate(x, y, verbose=0), rel=1e-12
    )


class Own(layers.Layer):
    """A layer that might read any other's kernel."""

    def call(self, x):
        return x


APART = {
    "dense, with an activation": lambda: [
        layers.Flatten(),
        layers.Dense(5, activation="relu"),
        layers.BatchNormalization(),
    ],
    "kernel regulariser": lambda: [
        layers.Conv2D(4, 3, kernel_regularizer="l2"),
        layers.BatchNormalization(),
        layers.Flatten(),
    ],
    "activation between": lambda: [
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.Flatten(),
    ],
    "layer between": lambda: [
        layers.Conv2D(4, 3),
        layers.ReLU(),
        layers.BatchNormalization(),
        layers.Flatten(),
    ],
    "other axis": lambda: [
        layers.Conv2D(4, 3),
        layers.BatchNormalization(axis=1),
        layers.Flatten(),
    ],
    "no linear layer": lambda: [
        layers.BatchNormalization(),
        layers.Flatten(),
    ],
    "a layer of the caller's": lambda: [
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
        Own(),
        layers.Flatten(),
    ],
}


@pytest.mark.parametrize("middle", APART.values(), ids=APART.keys())
def test_what_cannot_be_folded_is_left_apart(middle):
    assert foldable_pairs(network(*middle())) == []


@pytest.mark.parametrize(
    ("layer", "num_samples", "gains"),
    [
        (lambda: layers.Conv1D(5, 2), 1, True),
        (lambda: layers.Conv1D(5, 2), None, True),
        # The kernel has eight rows, the outputs nine of each sample.
        (lambda: layers.Dense(5), 1, False),
        (lambda: layers.Dense(5), 2, True),
        (lambda: layers.Dense(5), None, False),
    ],
)
def test_dense_layers_gain_with_many_samples(layer, num_samples, gains):
    model = network(
        layers.Reshape((9, 8)),
        layer(),
        layers.BatchNormalization(),
        layers.Flatten(),
    )
    pairs = foldable_pairs(model)
    assert len(pairs) == 1
    assert gaining_pairs(pairs, num_samples) == (pairs if gains else [])


def test_outputs_that_others_read_are_left_apart():
    inputs = keras.Input((4, 2))
    hidden = layers.Conv1D(2, 1, name="linear")(inputs)
    normal = layers.BatchNormalization(name="norm")(hidden)
    assert folded_names(keras.Model(inputs, normal)) == [("linear", "norm")]
    assert foldable_pairs(keras.Model(inputs, [normal, hidden])) == []
    both = layers.Add()([normal, hidden])
    assert foldable_pairs(keras.Model(inputs, both)) == []


def test_shared_layers_are_left_apart():
    inputs = keras.Input((4, 2))
    linear, norm = layers.Conv1D(2, 1), layers.BatchNormalization()
    twice = norm(linear(norm(linear(inputs))))
    assert foldable_pairs(keras.Model(inputs, twice)) == []


def test_nested_models_are_folded(float64):
    inner = keras.Sequential(
        [
            keras.Input((4, 2)),
            layers.Conv1D(3, 2, name="linear"),
            layers.BatchNormalization(name="norm"),
        ]
    )
    model = keras.Sequential(
        [keras.Input((4, 2)), inner, layers.Flatten(), layers.Dense(2)]
    )
    assert folded_names(model) == [("linear", "norm")]
    x = np.random.default_rng(0).standard_normal((5, 4, 2))
    objective = Objective(model, x, np.ones((5, 2)), loss="mse")
    expected = np.mean((model(x, training=False).numpy() - 1) ** 2)
    assert objective.value() == pytest.approx(expected, rel=1e-13)
