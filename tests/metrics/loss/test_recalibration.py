"""Re-estimated statistics of batch normalisation, against NumPy by hand."""

import keras
import numpy as np
import pytest

from keras_sharpness.metrics import Objective

layers = keras.layers
EPSILON = 1e-3


class OwnKind(layers.BatchNormalization):
    """As a caller may write it: it takes no mask, and sees the double."""

    def call(self, inputs, training=None):
        return super().call(2.0 * inputs, training=training)


class NeverMoves(layers.BatchNormalization):
    """One that always uses its moving statistics."""

    def call(self, inputs):
        return super().call(inputs)


def siamese(norm, *, mask):
    """Two sequences of different lengths through the same two layers."""
    first, second = norm(name="first"), layers.BatchNormalization(name="second")
    inputs = [keras.Input((3, 2)), keras.Input((5, 2))]
    branches = []
    for hidden in inputs:
        if mask:
            hidden = layers.Masking()(hidden)
        hidden = second(layers.Activation("tanh")(first(hidden)))
        branches.append(layers.GlobalAveragePooling1D()(hidden))
    outputs = layers.Dense(1)(layers.Concatenate()(branches))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    return model


def normalised(x, mean, variance):
    return (x - mean) / np.sqrt(variance + EPSILON)


def by_hand(data, batches, valid, factor=1.0):
    """The statistics of both layers over the valid entries of all calls."""
    seen = [[], []]
    for rows in batches:
        for x, ok in zip(data, valid, strict=True):
            entries = factor * x[rows][ok[rows]]
            seen[0].append(entries)
            # Each call by its own statistics; of scale 1 and centre 0.
            hidden = normalised(entries, entries.mean(0), entries.var(0))
            seen[1].append(np.tanh(hidden))
    pooled = [np.concatenate(parts) for parts in seen]
    return [(entries.mean(0), entries.var(0)) for entries in pooled]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    first = rng.standard_normal((10, 3, 2)) + 3.0
    second = 2.0 * rng.standard_normal((10, 5, 2)) - 1.0
    return [first, second], rng.standard_normal((10, 1))


def agrees(model, x, y, statistics, *, tolerance, **options):
    found = Objective(model, x, y, batch_norm="recalibrate", **options).value()
    for layer, (mean, variance) in zip(
        ("first", "second"), statistics, strict=True
    ):
        model.get_layer(layer).moving_mean.assign(mean)
        model.get_layer(layer).moving_variance.assign(variance)
    expected = model.evaluate(x, y, verbose=0)
    assert found == pytest.approx(expected, rel=tolerance)


# Batches of four, four and two samples.
ROWS = [slice(0, 4), slice(4, 8), slice(8, 10)]


@pytest.mark.parametrize(
    ("norm", "factor"), [(layers.BatchNormalization, 1.0), (OwnKind, 2.0)]
)
def test_all_calls_of_a_layer_are_pooled(norm, factor, data, float64):
    x, y = data
    valid = [np.ones(part.shape[:2], bool) for part in x]
    statistics = by_hand(x, ROWS, valid, factor)
    model = siamese(norm, mask=False)
    # Rounding of float64 sums, and of a square root.
    agrees(model, x, y, statistics, batch_size=4, tolerance=1e-12)


def test_entries_that_are_masked_are_not_counted(data, float64):
    x, y = data
    valid = [np.ones(part.shape[:2], bool) for part in x]
    valid[0][:3, 1:] = False
    valid[1][5:, 2:] = False
    for part, ok in zip(x, valid, strict=True):
        part[~ok] = 0.0
    statistics = by_hand(x, ROWS, valid)
    model = siamese(layers.BatchNormalization, mask=True)
    # Keras adds 1e-7 to the number of valid entries of a call, four at least:
    # of a mean of 3 and a variance of 4 that is 1e-7, and as much of the loss.
    agrees(model, x, y, statistics, batch_size=4, tolerance=1e-6)


def test_the_first_layer_does_not_depend_on_the_batches(data, float64):
    x = data[0]
    model = keras.Sequential(
        [keras.Input((3, 2)), layers.BatchNormalization(), layers.Flatten()]
    )
    model.compile("sgd", "mse")
    values = [
        Objective(
            model, x[0], np.ones((10, 6)), batch_norm="recalibrate", **options
        ).value()
        for options in ({"batch_size": 3}, {"batch_size": 10})
    ]
    # Sums in another order.
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_layers_that_are_not_called_keep_theirs(data, float64):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.norm = layers.BatchNormalization()
            self.spare = layers.BatchNormalization()

        def build(self, shape):
            self.norm.build(shape)
            self.spare.build(shape)
            self.spare.moving_mean.assign([7.0, 8.0])

        def call(self, x, training=None):
            # Its statistics are read, without a call.
            return self.norm(x, training=training) + self.spare.moving_mean

    x = data[0][0][:, 0]
    model = Model()
    model.build((None, 2))
    found = Objective(
        model, x, 0 * x, loss="mse", batch_norm="recalibrate"
    ).value()
    hidden = normalised(x, x.mean(0), x.var(0)) + np.array([7.0, 8.0])
    assert found == pytest.approx(np.mean(hidden**2), rel=1e-12)


@pytest.mark.parametrize("mode", ["batch", "recalibrate"])
def test_a_kind_that_has_no_training_keeps_its_statistics(mode, data, float64):
    x = data[0][0][:, 0]
    model = keras.Sequential([keras.Input((2,)), NeverMoves()])
    model.compile("sgd", "mse")
    expected = model.evaluate(x, 0 * x, verbose=0)
    found = Objective(model, x, 0 * x, batch_norm=mode).value()
    assert found == pytest.approx(expected, rel=1e-12)


def test_batch_statistics_are_those_of_each_call(data, float64):
    x, y = data
    model = siamese(layers.BatchNormalization, mask=False)
    found = Objective(model, x, y, batch_norm="batch", batch_size=10).value()
    expected = np.mean((model(x, training=True).numpy() - y) ** 2)
    assert found == pytest.approx(expected, rel=1e-12)
