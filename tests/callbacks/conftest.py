"""A small network, its data, and what its training must not change."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="package")
def data():
    """Three noisy classes in four dimensions: x (48, 4), y (48,)."""
    generator = np.random.default_rng(0)
    y = np.arange(48) % 3
    x = np.eye(4)[y] + 0.5 * generator.standard_normal((48, 4))
    return x.astype("float32"), y


@pytest.fixture
def build():
    """Builds the same network each time, 51 weights, compiled."""

    def build_network(
        optimizer=None, *, batch_norm=False, dropout=0.0, **compiling
    ):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((4,)), keras.layers.Dense(6, "tanh")]
        if batch_norm:
            layers.append(keras.layers.BatchNormalization())
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
        # With half precision the loss is still computed in float32.
        layers.append(keras.layers.Dense(3, dtype=keras.config.floatx()))
        model = keras.Sequential(layers)
        if optimizer is None:
            optimizer = keras.optimizers.SGD(0.1)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, **compiling)
        return model

    return build_network


@pytest.fixture
def assert_same_weights():
    """Two models have the same bits in all variables, optimizer included."""

    def check(one, other):
        pairs = zip(
            [*one.variables, *one.optimizer.variables],
            [*other.variables, *other.optimizer.variables],
            strict=True,
        )
        for first, second in pairs:
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(first),
                keras.ops.convert_to_numpy(second),
            )

    return check


@pytest.fixture
def random_draws():
    """What all global random generators give next."""

    def draw():
        return (
            random.random(),
            np.random.random(),
            float(tf.random.uniform(())),
            float(keras.random.uniform(())),
        )

    return draw


@pytest.fixture
def events(tmp_path):
    """Reads with TensorBoard's own reader what was written to a run."""
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )

    def read(run):
        folder = str(tmp_path / "log" / run)
        reader = event_accumulator.EventAccumulator(folder)
        reader.Reload()
        return {
            tag: [
                (event.step, tf.make_ndarray(event.tensor_proto))
                for event in reader.Tensors(tag)
            ]
            for tag in reader.Tags()["tensors"]
        }

    return read
