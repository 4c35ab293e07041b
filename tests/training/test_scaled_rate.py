"""The learning rate, scaled with the batch size and warmed up."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.training import GrowAt


class Rates(keras.callbacks.Callback):
    """The learning rate of every update."""

    def __init__(self):
        super().__init__()
        self.found = []

    def on_train_batch_end(self, batch, logs=None):
        del batch, logs
        self.found.append(float(self.model.optimizer.learning_rate))


def rates(make_classifier, blobs, **options):
    watch = Rates()
    ks.train(
        make_classifier(keras.optimizers.SGD(0.1)),
        *blobs,
        callbacks=[watch],
        **options,
    )
    return np.array(watch.found)


@pytest.mark.parametrize(("scaling", "factor"), [("sqrt", 2.0), ("linear", 4)])
def test_rate_goes_with_the_batch(make_classifier, blobs, scaling, factor):
    found = rates(
        make_classifier,
        blobs,
        batch_size=GrowAt({1: 40}, initial=10),
        epochs=2,
        learning_rate_scaling=scaling,
    )
    expected = np.float32([0.1] * 5 + [0.1 * factor] * 2)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_warm_up_goes_to_the_scaled_rate_update_by_update(
    make_classifier, blobs
):
    options = {
        "batch_size": 10,
        "epochs": 3,
        "learning_rate_scaling": "linear",
        "base_batch_size": 5,
        "warmup_epochs": 2,
    }
    found = rates(make_classifier, blobs, **options)
    ramp = 0.1 * (1 + np.arange(10) / 10)
    # To the rounding of float32.
    np.testing.assert_allclose(found, [*ramp, *[0.2] * 5], rtol=1e-6)


def test_without_callbacks_the_bits_are_the_same(
    make_classifier, blobs, assert_same_bits
):
    # Callbacks ask for every batch; else many run in one call.
    options = {
        "batch_size": 10,
        "epochs": 3,
        "learning_rate_scaling": "linear",
        "base_batch_size": 5,
        "warmup_epochs": 2,
    }
    one, other = make_classifier(), make_classifier()
    first = ks.train(one, *blobs, callbacks=[Rates()], **options)
    second = ks.train(other, *blobs, **options)
    assert_same_bits(one, first, other, second)


def test_what_callbacks_do_to_the_rate_is_kept(
    make_classifier, blobs, assert_same_bits, tmp_path
):
    def options():
        halved = keras.callbacks.LearningRateScheduler(
            lambda epoch, rate: rate / 2 if epoch == 1 else rate
        )
        return {
            "batch_size": GrowAt({2: 20}, initial=10),
            "epochs": 3,
            "learning_rate_scaling": "linear",
            "callbacks": [halved],
        }

    def make():
        return make_classifier(keras.optimizers.SGD(0.1))

    whole = make()
    expected = ks.train(whole, *blobs, **options())
    np.testing.assert_allclose(expected.learning_rate, [0.1, 0.05, 0.1])

    def stop(done, total, logs):
        del done, total
        if logs["epoch"] == 3:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "training.npz"
    with pytest.raises(KeyboardInterrupt):
        ks.train(
            make(), *blobs, progress=stop, checkpoint=checkpoint, **options()
        )
    model = make()
    history = ks.train(model, *blobs, checkpoint=checkpoint, **options())
    assert_same_bits(model, history, whole, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup_epochs": 2}, "`warmup_epochs` must be left out"),
        ({"base_batch_size": 2}, "`base_batch_size` must be left out"),
        ({"learning_rate_scaling": "linear"}, "follows a Keras schedule"),
    ],
)
def test_nothing_to_scale_is_refused(make_classifier, blobs, options, message):
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model = make_classifier(keras.optimizers.SGD(rate))
    with pytest.raises(ValueError, match=message):
        ks.train(model, *blobs, batch_size=10, epochs=1, **options)
