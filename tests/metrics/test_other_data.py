"""Objectives on other data, against ones that are made of these data."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.batches import Batches
from keras_sharpness.metrics.other_data import (
    DrawnBatches,
    DrawnSamples,
    first_batches,
    losses_of,
    rebuilt,
    with_batches,
)

layers = keras.layers
RNG = np.random.default_rng(0)
X, OTHER = RNG.standard_normal((2, 10, 3))
Y = RNG.standard_normal((10, 1))
WEIGHTS = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 1.0, 1.0, 3.0, 1.0, 1.0])


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, "tanh"),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    return model


def same(found, expected):
    # The same operations of the same numbers.
    assert found.value() == expected.value()
    np.testing.assert_array_equal(found.gradient(), expected.gradient())


@pytest.mark.parametrize("batch_norm", ["inference", "batch", "recalibrate"])
def test_the_same_functions_on_other_batches(batch_norm, float64):
    model = network()
    objective = Objective(model, X, Y, batch_size=4, batch_norm=batch_norm)
    before = objective.value()
    batches = Batches(OTHER, Y, batch_size=4, dtype="float64")
    found = with_batches(objective, batches, 10)
    expected = Objective(model, OTHER, Y, batch_size=4, batch_norm=batch_norm)
    same(found, expected)
    assert objective.value() == before


def test_statistics_can_be_held(float64):
    model = network()
    objective = Objective(model, X, Y, batch_norm="recalibrate")
    found = with_batches(objective, objective.batches, 10, hold_statistics=True)
    same(found, Objective(model, X, Y))


def test_calibration_on_other_data_stays(float64):
    model = network()
    options = {"batch_norm": "recalibrate"}
    calibration = Objective(model, X, Y, **options)
    options["calibration"] = calibration
    objective = Objective(model, X, Y, **options)
    batches = Batches(OTHER, Y, dtype="float64")
    same(
        with_batches(objective, batches, 10),
        Objective(model, OTHER, Y, **options),
    )


@pytest.mark.parametrize(
    ("num_samples", "batch_norm", "sizes"),
    [
        (3, "inference", [3]),
        (6, "inference", [4, 2]),
        (99, "inference", [4, 4, 2]),
        (3, "batch", [4]),
    ],
)
def test_first_batches(num_samples, batch_norm, sizes):
    objective = Objective(network(), X, Y, batch_size=4, batch_norm=batch_norm)
    found = first_batches(objective, num_samples)
    assert [batch.size for batch in found] == sizes
    np.testing.assert_allclose(
        np.concatenate([batch.x for batch in found]),
        X[: sum(sizes)],
        rtol=1e-6,  # float32
    )


def test_first_batches_count_something():
    objective = Objective(network(), X, Y, batch_size=4, sample_weight=WEIGHTS)
    # The first three samples weigh nothing: so the batch stays whole.
    (found,) = first_batches(objective, 2)
    assert found.size == 4


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_drawn_samples(weights, float64):
    model = network()
    options = {"batch_size": 4}
    draw = DrawnSamples(
        Objective(model, X, Y, sample_weight=weights, **options)
    )
    assert (draw.unit, draw.num_units) == ("sample", 10)
    chosen = np.array([7, 3, 3, 9, 5])
    rows = np.sort(chosen)
    expected = Objective(
        model,
        X[rows],
        Y[rows],
        sample_weight=None if weights is None else weights[rows],
        **options,
    )
    same(draw(chosen), expected)


def test_drawn_samples_of_ragged_tensors():
    lists = [[1.0], [2.0, 3.0], [4.0, 5.0, 6.0], [7.0]]
    inputs = keras.Input((None,), ragged=True)
    model = keras.Model(inputs, layers.Dense(1)(Mean()(inputs)))
    y = np.arange(4.0)
    objective = Objective(
        model, tf.ragged.constant(lists), y, loss="mse", batch_size=3
    )
    found = DrawnSamples(objective)(np.array([2, 0, 2]))
    means = np.array([1.0, 5.0, 5.0])
    kernel, bias = model.get_weights()
    error = means * kernel[0, 0] + bias[0] - y[[0, 2, 2]]
    # Sums of three float32 numbers.
    assert found.value() == pytest.approx(np.mean(error**2), rel=1e-6)


class Mean(layers.Layer):
    def call(self, x):
        return tf.reduce_mean(x, axis=1, keepdims=True)

    def compute_output_shape(self, shape):
        return (shape[0], 1)


def test_drawn_batches(float64):
    model = network()
    draw = DrawnBatches(Objective(model, X, Y, batch_size=4))
    assert (draw.unit, draw.num_units) == ("batch", 3)
    found = draw(np.array([2, 0, 2]))
    rows = [0, 1, 2, 3, 8, 9, 8, 9]
    assert found.num_samples == 8
    expected = Objective(model, X[rows], Y[rows]).value()
    # Sums in another order.
    assert found.value() == pytest.approx(expected, rel=1e-14)


def own(model, batch):
    return keras.ops.mean(keras.ops.abs(model(batch[0]) - batch[1]))


@pytest.mark.parametrize(
    "options", [{}, {"loss": "mae"}, {"loss_fn": own, "regularization": False}]
)
def test_the_same_of_another_model(options, float64):
    model, twin = network(), network()
    for variable in twin.trainable_variables:
        variable.assign(2 * keras.ops.convert_to_tensor(variable))
    objective = Objective(
        model, X, Y, batch_size=4, batch_norm="recalibrate", **options
    )
    found = rebuilt(
        objective, twin, list(objective.batches), losses_of(objective)
    )
    assert found.batch_norm == "inference"
    assert found.regularization == objective.regularization
    expected = Objective(twin, X, Y, batch_size=4, **options)
    same(found, expected)


def test_losses_of_several_outputs():
    inputs = keras.Input((3,))
    model = keras.Model(
        inputs, {"a": layers.Dense(1)(inputs), "b": layers.Dense(1)(inputs)}
    )
    loss = {"a": "mse", "b": "mae"}
    objective = Objective(model, X, {"a": Y, "b": Y}, loss=loss)
    found = losses_of(objective)
    assert found["a"] is keras.losses.mean_squared_error
    assert found["b"] is keras.losses.mean_absolute_error
