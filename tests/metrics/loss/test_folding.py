"""Folding BatchNormalization changes the cost, not the function."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.loss.folding import (
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


def penalty(model):
    """What a contractive autoencoder adds to its loss."""
    kernel = keras.ops.convert_to_tensor(model.get_layer("linear").kernel)
    return 0.1 * keras.ops.sum(kernel**2)


def reading(model):
    """A loss that reads the kernel before the normalisation."""

    def loss(y, y_pred):
        return keras.ops.mean((y - y_pred) ** 2, axis=-1) + penalty(model)

    return loss


def loss_object(model):
    class Reading(keras.losses.Loss):
        def call(self, y, y_pred):
            return reading(model)(y, y_pred)

    return Reading()


def subclass_of_keras_own(model):
    class Reading(keras.losses.MeanSquaredError):
        def call(self, y, y_pred):
            return super().call(y, y_pred) + penalty(model)

    return Reading()


def wrapper(model):
    loss = keras.losses.MeanSquaredError()
    loss.fn = reading(model)
    return loss


def own_call(model):
    loss = keras.losses.MeanSquaredError()
    loss.call = reading(model)
    return loss


def regulariser(model):
    last = model.layers[-1]
    last.kernel.regularizer = lambda kernel: penalty(model)
    return "mse"


def activity_regulariser(model):
    model.layers[-1].activity_regularizer = lambda outputs: penalty(model)
    return "mse"


def activation(model):
    model.layers[-1].activation = lambda x: x + penalty(model)
    return "mse"


def compute_loss(model):
    def compute_loss(x, y, y_pred, sample_weight, training=True):
        return keras.ops.mean(reading(model)(y, y_pred))

    model.compute_loss = compute_loss
    return "mse"


@pytest.mark.parametrize(
    "loss",
    [
        reading,
        loss_object,
        subclass_of_keras_own,
        wrapper,
        own_call,
        regulariser,
        activity_regulariser,
        activation,
        compute_loss,
    ],
)
@pytest.mark.parametrize("is_compiled", [True, False])
def test_what_reads_the_kernel_sees_the_models_own(loss, is_compiled, float64):
    # `loss=` takes the place of a model's own `compute_loss`.
    is_compiled = is_compiled or loss is compute_loss
    model = network(*FOLDED["dense"]())
    generator = np.random.default_rng(1)
    x, y = (generator.standard_normal((9, *s)) for s in ((6, 6, 2), (3,)))
    loss = loss(model)
    model.compile("sgd", loss=loss)
    objective = Objective(model, x, y, loss=None if is_compiled else loss)
    variables = [variable.value for variable in model.trainable_variables]
    v = generator.standard_normal(objective.size)
    parts = [
        tf.reshape(part, variable.shape)
        for part, variable in zip(
            objective.layout.parts(v), variables, strict=True
        )
    ]
    with tf.GradientTape() as outer:
        with tf.GradientTape() as tape:
            value = model.compute_loss(x, y, model(x, training=False), None)
        gradient = tape.gradient(value, variables)
    product = outer.gradient(gradient, variables, output_gradients=parts)
    # Float64 sums of some hundred terms, in another order.
    assert objective.value() == pytest.approx(float(value), rel=1e-13)
    for found, expected in (
        (objective.gradient(), gradient),
        (objective.hessian_product(v), product),
    ):
        expected = objective.layout.join(expected)
        error = np.linalg.norm(found - expected)
        assert error < 1e-12 * np.linalg.norm(expected)


def test_one_loss_of_the_callers_among_several(float64):
    inputs = keras.Input((2,))
    hidden = layers.Dense(3, name="linear")(inputs)
    hidden = layers.BatchNormalization(name="norm")(hidden)
    outputs = {name: layers.Dense(1, name=name)(hidden) for name in "ab"}
    model = keras.Model(inputs, outputs)
    model.get_layer("norm").moving_variance.assign([0.2, 3.0, 0.5])
    assert folded_names(model) == [("linear", "norm")]
    losses = {"a": "mse", "b": reading(model)}
    model.compile("sgd", losses)
    x = np.random.default_rng(0).standard_normal((7, 2))
    y = {name: np.ones((7, 1)) for name in "ab"}
    expected = model.evaluate(x, y, verbose=0)[0]
    for loss in (None, losses):
        objective = Objective(model, x, y, loss=loss)
        assert objective.value() == pytest.approx(expected, rel=1e-12)


def tied_by_a_lambda(x, linear):
    return layers.Lambda(lambda h: h @ keras.ops.transpose(linear.kernel))(x)


def tied_by_an_operation(x, linear):
    return keras.ops.matmul(x, linear.kernel)


@pytest.mark.parametrize("tied", [tied_by_a_lambda, tied_by_an_operation])
def test_weights_that_another_call_reads(tied, float64):
    inputs = keras.Input((4,))
    linear = layers.Dense(4, name="linear")
    norm = layers.BatchNormalization(name="norm")
    model = keras.Model(inputs, tied(norm(linear(inputs)), linear))
    norm.moving_variance.assign([0.2, 3.0, 0.5, 0.1])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).standard_normal((7, 4))
    expected = model.evaluate(x, x, verbose=0)
    assert Objective(model, x, x).value() == pytest.approx(expected, rel=1e-12)


def test_kernels_that_two_layers_share(float64):
    inputs = keras.Input((4,))
    first, last = (layers.Dense(4, use_bias=False) for _ in range(2))
    norm = layers.BatchNormalization(name="norm")
    model = keras.Model(inputs, last(norm(first(inputs))))
    norm.moving_variance.assign([0.2, 3.0, 0.5, 0.1])
    # Past Keras' own `__setattr__`, which wants it before the first call.
    object.__setattr__(last, "_kernel", first.kernel)
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).standard_normal((7, 4))
    expected = model.evaluate(x, x, verbose=0)
    assert Objective(model, x, x).value() == pytest.approx(expected, rel=1e-12)
