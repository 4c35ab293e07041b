"""Models that `fit` and `evaluate` take, against them and tapes by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import (
    EmpiricalFisherOperator,
    GaussNewtonOperator,
    Objective,
    hessian_eigenvalues,
    hessian_trace,
)
from tests.metrics.nested_tapes import check_against_tapes

layers, ops = keras.layers, keras.ops
SPARSE = "sparse_categorical_crossentropy"


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


class Autoencoder(keras.Model):
    """Its layers make all of the loss."""

    def __init__(self):
        super().__init__()
        self.code = layers.Dense(3, "tanh", kernel_regularizer="l2")
        self.back = layers.Dense(6)

    def call(self, x):
        code = self.code(x)
        again = self.back(code)
        self.add_loss(ops.mean((again - x) ** 2))
        self.add_loss(0.1 * ops.mean(code**2))
        return again


@pytest.mark.parametrize("compiled", [True, False])
def test_losses_that_layers_add(compiled):
    keras.utils.set_random_seed(1)
    x, model = numbers(20, 6), Autoencoder()
    if compiled:
        model.compile("sgd")
    objective = Objective(model, x)

    def loss():
        model(x)
        return sum(ops.sum(term) for term in model.losses)

    check_against_tapes(objective, loss)
    if compiled:
        # Sums of a hundred float32 numbers.
        assert Objective(model, x, batch_size=7).value() == pytest.approx(
            model.evaluate(x, batch_size=7, verbose=0), rel=1e-5
        )
    for operator in (GaussNewtonOperator, EmpiricalFisherOperator):
        with pytest.raises(ValueError, match="`add_loss`: use the Hessian"):
            operator(objective) @ np.ones(objective.size)
    with pytest.raises(ValueError, match="`regularization=False` leaves out"):
        Objective(model, x, regularization=False)


def test_penalties_of_the_weights_alone_are_no_loss():
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(3, kernel_regularizer="l2")]
    )
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"its layers add none\. Pass `loss=`"):
        Objective(model, numbers(4, 6))


class InRows(layers.Layer):
    """Works for batches of eight only."""

    def call(self, x):
        return ops.reshape(x, (8, 6)) * 1.0


def model_for_eight():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,), batch_size=8)
    model = keras.Model(inputs, layers.Dense(3, "softmax")(InRows()(inputs)))
    model.compile("sgd", SPARSE)
    return model


def own_loss(model, batch):
    return keras.losses.sparse_categorical_crossentropy(
        batch[1], model(batch[0])
    )


@pytest.mark.parametrize("options", [{}, {"loss_fn": own_loss}])
def test_a_batch_has_the_size_that_the_model_fixes(options):
    x, y, model = numbers(32, 6), np.arange(32) % 3, model_for_eight()
    objective = Objective(model, x, y, **options)
    assert objective.batch_size == 8
    # Sums of 32 float32 numbers.
    assert objective.value() == pytest.approx(
        model.evaluate(x, y, batch_size=8, verbose=0), rel=1e-5
    )
    for arguments, size in (((x[:20], y[:20]), None), ((x, y), 16)):
        with pytest.raises(ValueError, match="`batch_size=8` and a multiple"):
            Objective(model, *arguments, batch_size=size, **options)


def test_a_size_that_does_not_bind_leaves_the_batches_large():
    x, y = numbers(21, 6), np.arange(21) % 3
    declared = keras.Sequential(
        [keras.Input((6,), batch_size=8), layers.Dense(3, "softmax")]
    )
    seen = keras.Sequential([layers.Dense(3, "softmax")])
    for model in (declared, seen):
        model.compile("sgd", SPARSE)
        # Takes down the size of its batches.
        model.fit(x, y, batch_size=4, verbose=0)
        objective = Objective(model, x, y)
        assert objective.batch_size > 21
        # Sums of 21 float32 numbers.
        assert objective.value() == pytest.approx(
            model.evaluate(x, y, verbose=0), rel=1e-5
        )


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = layers.Dense(6, "tanh")
        self.normal = layers.BatchNormalization()
        self.dropout = layers.Dropout(0.5, seed=3)
        self.last = layers.Dense(3, "softmax")

    def call(self, x, training=False):
        hidden = self.normal(self.first(x), training=training)
        return self.last(self.dropout(hidden, training=training))


class PerSample(keras.Model):
    """Asks for the size of the batch."""

    def __init__(self):
        super().__init__()
        self.last = layers.Dense(3, "softmax")

    def call(self, x):
        rows = [x[index] * 1.0 for index in range(x.shape[0])]
        return self.last(ops.stack(rows))


def without_input():
    return keras.Sequential(
        [layers.Dense(6, "tanh"), layers.Dense(3, "softmax")]
    )


@pytest.mark.parametrize("build", [Net, PerSample, without_input])
def test_weights_are_built_as_fit_builds_them(build):
    x, y = numbers(16, 5), np.arange(16) % 3
    weights = []
    for measured in (True, False):
        keras.utils.set_random_seed(5)
        model = build()
        model.compile("sgd", SPARSE)
        if measured:
            objective = Objective(model, x, y)
            assert objective.value() == pytest.approx(
                # Sums of 16 float32 numbers.
                model.evaluate(x, y, batch_size=16, verbose=0),
                rel=1e-5,
            )
        model.fit(x, y, batch_size=16, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        assert np.array_equal(one, other)


def error_of_pair(model, batch):
    code = model.encoder(batch)
    return ops.mean((model.decoder(code) - batch) ** 2)


class Pair(keras.Model):
    """Its parts are called by `train_step` alone."""

    def __init__(self, *first):
        super().__init__()
        self.encoder = keras.Sequential([*first, layers.Dense(3, "tanh")])
        self.decoder = keras.Sequential([layers.Dense(8)])

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = error_of_pair(self, data)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


@pytest.mark.parametrize("trained", [True, False])
def test_a_model_without_a_call(trained):
    keras.utils.set_random_seed(1)
    x, model = numbers(20, 8), Pair()
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"has no `call`\. Pass `loss_fn=`"):
        Objective(model, x, loss="mse")
    if trained:
        model.fit(x, verbose=0)
    objective = Objective(model, x, loss_fn=error_of_pair)
    check_against_tapes(objective, lambda: error_of_pair(model, x))


def test_functions_that_run_eagerly_elsewhere():
    keras.utils.set_random_seed(1)
    x, y = numbers(20, 4), np.arange(20) % 3
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3, "softmax")]
    )
    model.compile("sgd", SPARSE, run_eagerly=True)
    loss = keras.losses.SparseCategoricalCrossentropy()
    vector = numbers(43)
    right = Objective(model, x, y).gauss_newton_product(vector)
    tf.config.run_functions_eagerly(True)
    try:
        objective = Objective(model, x, y)
        check_against_tapes(objective, lambda: loss(y, model(x)))
        found = objective.gauss_newton_product(vector)
        eigenvalue = hessian_eigenvalues(objective, progress=False)
        trace = hessian_trace(objective, progress=False)
        assert tf.config.functions_run_eagerly()
    finally:
        tf.config.run_functions_eagerly(False)
    # The same operations in the same order.
    assert np.allclose(found, right, rtol=1e-6)
    assert np.isfinite(eigenvalue.eigenvalues).all()
    assert np.isfinite(trace.value)


def test_a_model_that_needs_values_is_told_so():
    class OfValues(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = layers.Dense(3)

        def call(self, x):
            return self.last(x * float(np.mean(x.numpy())))

    model = OfValues()
    model(numbers(4, 5))
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(ValueError, match=r"asks for the values .*keras.ops"):
        Objective(model, numbers(4, 5), numbers(4, 3)).gradient()
