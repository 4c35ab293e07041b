"""What `fit` takes, with a callback that measures in it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.callbacks import HessianEigenvalues

layers = keras.layers


def data():
    generator = np.random.default_rng(0)
    return (
        generator.normal(size=(32, 6)).astype("float32"),
        generator.integers(0, 3, 32),
    )


def train(order, *, measured, built=True):
    keras.utils.set_random_seed(3)
    dataset = order(tf.data.Dataset.from_tensor_slices(data()))
    inputs = [keras.Input((6,))] if built else []
    model = keras.Sequential([*inputs, layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    callback = HessianEigenvalues(dataset)
    model.fit(
        dataset,
        epochs=2,
        verbose=0,
        shuffle=False,
        callbacks=[callback] if measured else [],
    )
    assert len(callback.results) == 2 * measured
    return model.get_weights()


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize(
    "order",
    [
        lambda d: d.shuffle(32, seed=1).batch(8).cache(),
        lambda d: d.shuffle(32, seed=1).cache().batch(8).prefetch(2),
        lambda d: (
            d.cache()
            .shuffle(32, seed=1, reshuffle_each_iteration=False)
            .batch(8)
        ),
    ],
    ids=["cached batches", "cached samples", "shuffled once"],
)
def test_an_order_that_repeats_is_the_same_for_the_training(order, built):
    one, other = (
        train(order, measured=measured, built=built)
        for measured in (True, False)
    )
    for measured, alone in zip(one, other, strict=True):
        assert np.array_equal(measured, alone)


@pytest.mark.parametrize(
    "order",
    [
        lambda d: d.shuffle(32, seed=1).batch(8),
        lambda d: d.cache().shuffle(32, seed=1).batch(8),
    ],
)
def test_an_order_that_changes_is_refused(order):
    with pytest.raises(ValueError, match="in another order at every pass"):
        train(order, measured=True)


def test_labels_that_are_ignored_and_batches_of_a_fixed_size():
    x, y = data()
    y[:5] = 255
    inputs = keras.Input((6,), batch_size=8)
    outputs = layers.Lambda(lambda t: keras.ops.reshape(t, (8, 6)) * 1.0)(
        inputs
    )
    model = keras.Model(inputs, layers.Dense(3)(outputs))
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=255
        ),
    )
    callback = HessianEigenvalues(x, y)
    model.fit(x, y, batch_size=8, verbose=0, callbacks=[callback])
    assert np.all(np.isfinite(callback.results[0].eigenvalues))
