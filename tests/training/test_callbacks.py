"""Keras' own callbacks see in this loop what they see in `fit`."""

import csv

import keras
import numpy as np
import pytest

from keras_sharpness.training import train


class Recorder(keras.callbacks.Callback):
    """Writes down every call with its arguments."""

    def __init__(self, hooks):
        super().__init__()
        self.calls = []
        for hook in hooks:
            setattr(self, hook, self.recorder(hook))

    def recorder(self, hook):
        def record(*args, logs=None):
            numbers = [a for a in args if isinstance(a, int)]
            names = [sorted(a) for a in (*args, logs) if isinstance(a, dict)]
            self.calls.append((hook, numbers, [n for n in names if n]))

        return record


EPOCH_HOOKS = [
    "on_train_begin",
    "on_epoch_begin",
    "on_test_begin",
    "on_test_end",
    "on_epoch_end",
    "on_train_end",
]
ALL_HOOKS = [
    *EPOCH_HOOKS,
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
]


def test_the_same_calls_as_fit(make_classifier, blobs):
    by_epoch, by_batch = Recorder(EPOCH_HOOKS), Recorder(ALL_HOOKS)
    of_fit = Recorder(ALL_HOOKS)
    options = {"batch_size": 20, "epochs": 2, "validation_data": blobs}
    make_classifier().fit(*blobs, callbacks=[of_fit], verbose=0, **options)
    train(make_classifier(), *blobs, callbacks=[by_batch], **options)
    assert by_batch.calls == of_fit.calls
    assert by_batch.params == of_fit.params
    train(make_classifier(), *blobs, callbacks=[by_epoch], **options)
    assert by_epoch.calls == [c for c in of_fit.calls if c[0] in EPOCH_HOOKS]


def test_step_by_step_gives_the_same_bits(
    make_convnet, images, assert_same_bits
):
    batchwise = Recorder(ALL_HOOKS)
    one, other = make_convnet(), make_convnet()
    options = {"batch_size": 16, "epochs": 3, "validation_data": images}
    history = train(one, *images, callbacks=[batchwise], **options)
    assert_same_bits(one, history, other, train(other, *images, **options))


def test_logs_of_a_batch_are_the_means_so_far(make_classifier, blobs):
    class Losses(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.losses = []

        def on_train_batch_end(self, batch, logs=None):
            self.losses.append(logs["loss"])

    callback = Losses()
    history = train(
        make_classifier(), *blobs, batch_size=16, epochs=1,
        callbacks=[callback],
    )  # fmt: skip
    assert len(callback.losses) == 4
    # Sums in another order, in float64.
    assert callback.losses[-1] == pytest.approx(history.loss[0], rel=1e-14)


def test_stop_training_within_an_epoch_and_after_it(make_classifier, blobs):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    history = train(
        make_classifier(), *blobs, batch_size=10, epochs=5, callbacks=Stop()
    )
    assert history.stop_reason == "callback"
    assert history.num_updates == 2
    stopper = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(
            stopper.model, "stop_training", epoch == 1
        )
    )
    history = train(
        make_classifier(), *blobs, batch_size=10, epochs=5, callbacks=[stopper]
    )
    assert (history.stop_reason, len(history.epoch)) == ("callback", 2)


def test_early_stopping_infers_up_and_down(make_classifier, blobs):
    # The mode comes from the model's metrics: a model compiled without any
    # must have got its accuracy.
    early = keras.callbacks.EarlyStopping("val_accuracy", patience=2)
    history = train(
        make_classifier(keras.optimizers.SGD(0.0), metrics=()),
        *blobs,
        batch_size=50,
        epochs=9,
        validation_data=blobs,
        callbacks=[early],
    )
    # The moving statistics move while the weights stand still.
    best = int(np.argmax(history.val_accuracy))
    assert history.stop_reason == "callback"
    assert early.best == history.val_accuracy[best]
    assert len(history.epoch) == best + 1 + 2


def test_reduce_on_plateau_checkpoint_and_csv(make_classifier, blobs, tmp_path):
    model = make_classifier(keras.optimizers.SGD(0.5))
    history = train(
        model,
        *blobs,
        batch_size=50,
        epochs=5,
        validation_data=blobs,
        callbacks=[
            # No loss decreases by 9, so every other epoch halves the rate.
            keras.callbacks.ReduceLROnPlateau(
                "loss", factor=0.5, patience=2, min_delta=9.0
            ),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "epoch_{epoch}.weights.h5", save_weights_only=True
            ),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        ],
    )
    np.testing.assert_array_equal(
        history.learning_rate, [0.5, 0.5, 0.5, 0.25, 0.25]
    )
    other = make_classifier()
    other.load_weights(tmp_path / "epoch_5.weights.h5")
    for one, saved in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, saved)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3, 4]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        logged = [float(row[name]) for row in rows]
        np.testing.assert_array_equal(logged, getattr(history, name))


def test_what_callbacks_log_is_in_the_history(make_classifier, blobs):
    class Sharpness(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                logs["sharpness"] = 2.5
            logs["text"] = "no number"

    model = make_classifier()
    history = train(
        model, *blobs, batch_size=50, epochs=3, callbacks=[Sharpness()]
    )
    frame = history.to_frame()
    np.testing.assert_array_equal(frame.sharpness, [np.nan, 2.5, np.nan])
    assert "text" not in frame
    assert model.history.history["sharpness"] == [2.5]
