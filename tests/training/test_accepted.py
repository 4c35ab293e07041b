"""Models and data that `fit` takes, in `train`."""

import keras
import numpy as np
import pytest

from keras_sharpness.training import train

layers, ops = keras.layers, keras.ops
SPARSE = "sparse_categorical_crossentropy"


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def run(model, x, y, **options):
    return train(
        model, x, y, batch_size=8, epochs=2, progress=False, **options
    ).history


def test_ignored_labels_do_not_count_in_the_accuracy():
    x, y = numbers(32, 6), np.arange(32) % 3
    y[::4] = 255
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=255
    )
    history = run(
        model,
        x,
        y,
        loss=loss,
        optimizer=keras.optimizers.SGD(0.0),
        validation_data=(x, y),
    )
    valid = y != 255
    right = np.mean(
        np.argmax(model.predict(x, verbose=0), 1)[valid] == y[valid]
    )
    # Every batch of eight holds six of them; means of float64 numbers.
    assert history.val_accuracy.iloc[-1] == pytest.approx(right, abs=1e-12)


def masked_error(y, y_pred):
    known = ops.logical_not(ops.isnan(y))
    error = (ops.where(known, y, 0.0) - y_pred) ** 2
    return ops.mean(ops.where(known, error, 0.0), axis=-1)


def test_missing_targets_that_the_loss_masks():
    x, y = numbers(32, 6), numbers(32, 2)
    y[::3, 0] = np.nan
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2)])
    assert np.all(np.isfinite(run(model, x, y, loss=masked_error).loss))
    with pytest.raises(ValueError, match=r"`y` must be finite.*11 of 64"):
        run(model, x, y, loss="mse")
    with pytest.raises(ValueError, match="`validation y` must be finite"):
        run(model, x, 0 * x[:, :2], loss="mse", validation_data=(x, y))


def test_texts():
    words = np.array([["red"], ["green"]] * 16, dtype=object)
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            layers.StringLookup(vocabulary=["red", "green"]),
            layers.Embedding(3, 4),
            layers.Flatten(),
            layers.Dense(2, "softmax"),
        ]
    )
    history = run(model, words, np.arange(32) % 2, loss=SPARSE)
    assert history.loss.iloc[1] < history.loss.iloc[0]


def test_weights_that_are_not_built_and_losses_that_layers_add():
    class Autoencoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.code = layers.Dense(3, "tanh")
            self.back = layers.Dense(6)

        def call(self, x):
            again = self.back(self.code(x))
            self.add_loss(ops.mean((again - x) ** 2))
            return again

    keras.utils.set_random_seed(1)
    history = run(Autoencoder(), numbers(32, 6), None)
    assert history.loss.iloc[1] < history.loss.iloc[0]
    model = keras.Sequential([layers.Dense(3)])
    with pytest.raises(ValueError, match="its layers add none"):
        run(model, numbers(32, 6), np.zeros((32, 3)))


def test_batches_of_a_fixed_size():
    inputs = keras.Input((6,), batch_size=8)
    rows = layers.Lambda(lambda t: ops.reshape(t, (8, 6)) * 1.0)(inputs)
    model = keras.Model(inputs, layers.Dense(3, "softmax")(rows))
    x, y = numbers(32, 6), np.arange(32) % 3
    assert np.all(np.isfinite(run(model, x, y, loss=SPARSE).loss))
    with pytest.raises(ValueError, match=r"last batch of 4 .*`batch_size=8`"):
        run(model, x[:20], y[:20], loss=SPARSE)
