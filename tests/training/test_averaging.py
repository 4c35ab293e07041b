"""Averaged weights: the exact mean, and statistics that belong to it."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import (
    StochasticWeightAveraging,
    update_batch_norm,
)


class Recorder(keras.callbacks.Callback):
    """Keeps the trainable weights of every epoch's end."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(
            [np.array(v, "float64") for v in self.model.trainable_variables]
        )


def statistics_by_hand(model, x):
    """Of a normalisation after one dense layer: mean and variance over x."""
    entering = x.astype("float64") @ np.array(model.layers[0].kernel, "float64")
    return entering.mean(axis=0), entering.var(axis=0)


@pytest.mark.parametrize("fit", [False, True])
def test_the_weights_are_the_mean_of_the_last_epochs(
    make_classifier, blobs, fit
):
    x, y = blobs
    model, recorder = make_classifier("adam"), Recorder()
    averaging = StochasticWeightAveraging(x, start_epoch=3, batch_size=20)
    callbacks = [recorder, averaging]
    if fit:
        model.fit(x, y, batch_size=10, epochs=6, verbose=0, callbacks=callbacks)
    else:
        ks.train(model, x, y, batch_size=10, epochs=6, callbacks=callbacks)
    assert averaging.num_averaged == 4
    expected = np.mean([np.concatenate([w.ravel() for w in weights])
                        for weights in recorder.seen[2:]], axis=0)  # fmt: skip
    found = np.concatenate([np.ravel(v) for v in model.trainable_variables])
    # A mean of float64, rounded to float32 once.
    np.testing.assert_array_equal(
        found.astype("float32"), expected.astype("float32")
    )
    mean, variance = statistics_by_hand(model, x)
    # Float32 sums of 20 entries, from batches of 20, 20 and 10.
    layer = model.layers[1]
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)


def test_resumed_from_a_checkpoint_the_mean_goes_on(
    make_classifier, blobs, assert_same_bits, tmp_path
):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            marker = tmp_path / "stopped"
            if epoch == 3 and not marker.exists():
                marker.touch()
                raise KeyboardInterrupt

    def train(model, checkpoint):
        averaging = StochasticWeightAveraging(blobs[0], start_epoch=2)
        return ks.train(
            model, *blobs, batch_size=25, epochs=5, checkpoint=checkpoint,
            callbacks=[Stop(), averaging],
        )  # fmt: skip

    path = tmp_path / "training.npz"
    with pytest.raises(KeyboardInterrupt):
        train(make_classifier(), path)
    resumed, whole = make_classifier(), make_classifier()
    again, history = train(resumed, path), train(whole, None)
    assert_same_bits(whole, history, resumed, again)
    # A call for the finished training returns the averaged model.
    returned = make_classifier()
    train(returned, path)
    for one, other in zip(returned.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def test_the_exponential_mean_of_keras_gets_its_statistics(
    make_classifier, blobs
):
    model, recorder = make_classifier(), Recorder()
    ks.train(
        model, *blobs, batch_size=50, epochs=5, callbacks=[recorder],
        optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75),
    )  # fmt: skip
    # One update an epoch. Keras' mean begins at zero weights... and the
    # first update puts the weights themselves in.
    average = recorder.seen[0]
    for weights in recorder.seen[1:]:
        average = [
            0.75 * a + 0.25 * w for a, w in zip(average, weights, strict=True)
        ]
    for variable, expected in zip(
        model.trainable_variables, average, strict=True
    ):
        # Five float32 updates of numbers near 1.
        np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-6)
    update_batch_norm(model, blobs[0], batch_size=16)
    mean, variance = statistics_by_hand(model, blobs[0])
    layer = model.layers[1]
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)


def test_nothing_else_is_changed(make_classifier, blobs):
    model = make_classifier(dropout=0.5)
    layer = model.layers[1]
    own = (layer.moving_mean, layer.moving_variance)
    others = [v for v in model.variables if all(v is not o for o in own)]
    before = [np.array(v) for v in others]
    update_batch_norm(model, blobs[0])
    for variable, value in zip(others, before, strict=True):
        np.testing.assert_array_equal(np.array(variable), value)
    assert np.abs(np.array(layer.moving_mean)).max() > 0.01


def test_what_does_not_fit_is_refused(make_classifier, blobs):
    with pytest.raises(ValueError, match="`start_epoch` must be an integer"):
        StochasticWeightAveraging(start_epoch=0)
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        StochasticWeightAveraging(start_epoch=1, batch_size=2.5)
    with pytest.raises(ValueError, match=r"Pass `StochasticWeightAveraging\(x"):
        ks.train(
            make_classifier(), *blobs, batch_size=25, epochs=1,
            callbacks=[StochasticWeightAveraging(start_epoch=1)],
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"`model` must be a keras\.Model"):
        update_batch_norm(keras.layers.Dense(1), blobs[0])
