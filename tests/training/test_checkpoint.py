"""Interrupted trainings end as if nothing had happened, bit for bit."""

import json
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_sharpness.training import CheckpointError, train
from keras_sharpness.training.checkpoint import Checkpoint

_SCRIPT = """
import time
import keras, numpy as np
from keras_sharpness.training import train

class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        epochs.append(epoch)
        print(epoch, flush=True)
        time.sleep(pause)

epochs = []
layers = keras.layers
model = keras.Sequential([
    keras.Input((8, 8, 1)),
    layers.Conv2D(4, 3, kernel_initializer=keras.initializers.HeNormal(1)),
    layers.BatchNormalization(),
    layers.ReLU(),
    layers.Flatten(),
    layers.Dropout(0.5),
    layers.Dense(4, kernel_initializer=keras.initializers.HeNormal(2)),
])
rng = np.random.default_rng(2)
x, y = rng.normal(size=(60, 8, 8, 1)), rng.integers(0, 4, 60)
history = train(
    model, x, y, batch_size=16, epochs=6, validation_data=(x, y),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    checkpoint=checkpoint, checkpoint_seconds=0.0, callbacks=[Slow()],
)
"""


def run_here(path):
    """Runs the script in this process; its variables."""
    variables = {"checkpoint": path, "pause": 0}
    exec(_SCRIPT, variables)
    return variables


def test_kill_and_resume_gives_the_same_bits(tmp_path, assert_same_bits):
    path = tmp_path / "killed.npz"
    arguments = f"checkpoint = {str(path)!r}; pause = 0.3"
    with subprocess.Popen(
        [sys.executable, "-c", arguments + _SCRIPT],
        stdout=subprocess.PIPE,
        text=True,
    ) as killed:
        # The third epoch is over: the first two are in the file.
        while killed.stdout.readline() != "2\n":
            pass
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    resumed = run_here(path)
    assert resumed["epochs"] == [2, 3, 4, 5]
    reference = run_here(tmp_path / "reference.npz")
    assert reference["epochs"] == [0, 1, 2, 3, 4, 5]
    assert_same_bits(
        resumed["model"],
        resumed["history"],
        reference["model"],
        reference["history"],
    )


class Interrupt(keras.callbacks.Callback):
    """Raises in an epoch, once, or at a batch of it."""

    def __init__(self, error=None, *, at_batch=False):
        super().__init__()
        self.error = error
        self.at_batch = at_batch

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        if not self.at_batch:
            self._raise()

    def on_train_batch_end(self, batch, logs=None):
        if self.at_batch and batch == 1:
            self._raise()

    def _raise(self):
        if self.error is not None and self._epoch == 4:
            raise self.error


@pytest.mark.parametrize(
    ("error", "at_batch"),
    [(KeyboardInterrupt(), False), (RuntimeError("of a callback"), True)],
)
def test_interrupted_in_process(
    make_classifier, blobs, tmp_path, assert_same_bits, error, at_batch
):
    options = {
        "batch_size": 10,
        "epochs": 6,
        "validation_data": blobs,
        "checkpoint_seconds": 1e9,  # only the interruption writes
    }
    expected = make_classifier(dropout=0.3)
    expected_history = train(
        expected, *blobs, callbacks=[Interrupt()], **options
    )
    model = make_classifier(dropout=0.3)
    path = tmp_path / "training.npz"
    with pytest.raises(type(error)):
        train(
            model,
            *blobs,
            checkpoint=path,
            callbacks=[Interrupt(error, at_batch=at_batch)],
            **options,
        )
    history = train(
        model, *blobs, checkpoint=path, callbacks=[Interrupt()], **options
    )
    assert_same_bits(model, history, expected, expected_history)
    assert list(tmp_path.iterdir()) == [path]


def test_callbacks_and_patience_survive(
    make_classifier, blobs, tmp_path, assert_same_bits
):
    def run(model, error, checkpoint):
        callbacks = [
            Interrupt(error),
            keras.callbacks.ReduceLROnPlateau(
                "loss", factor=0.5, patience=2, min_delta=0.2, cooldown=1
            ),
            keras.callbacks.EarlyStopping(
                "val_loss",
                patience=6,
                min_delta=0.05,
                restore_best_weights=True,
            ),
        ]
        return train(
            model,
            *blobs,
            batch_size=25,
            epochs=40,
            patience=30,
            validation_data=blobs,
            callbacks=callbacks,
            checkpoint=checkpoint,
        )

    expected = make_classifier(keras.optimizers.SGD(0.3))
    expected_history = run(expected, None, None)
    # The case is worth its name: both callbacks acted, one after the
    # interruption and one across it.
    assert expected_history.stop_reason == "callback"
    assert 6 < len(expected_history.epoch) < 40
    assert expected_history.learning_rate[-1] < 0.3
    path = tmp_path / "training.npz"
    model = make_classifier(keras.optimizers.SGD(0.3))
    with pytest.raises(KeyboardInterrupt):
        run(model, KeyboardInterrupt(), path)
    history = run(model, None, path)
    assert_same_bits(model, history, expected, expected_history)
    # Keras' own history is whole, too.
    assert model.history.epoch == expected.history.epoch
    assert model.history.history == expected.history.history


def test_interrupted_after_the_last_epoch(make_classifier, blobs, tmp_path):
    class Stop(keras.callbacks.Callback):
        epochs = 0
        interrupts = True

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1
            self.model.stop_training = epoch == 1

        def on_train_end(self, logs=None):
            if self.interrupts:
                raise KeyboardInterrupt

    stop = Stop()
    options = {
        "batch_size": 25,
        "epochs": 5,
        "callbacks": [stop],
        "checkpoint": tmp_path / "training.npz",
    }
    with pytest.raises(KeyboardInterrupt):
        train(make_classifier(), *blobs, **options)
    stop.interrupts = False
    history = train(make_classifier(), *blobs, **options)
    # The second call had the callbacks' last word to hear, and no epoch.
    assert stop.epochs == 2
    assert (history.stop_reason, len(history.epoch)) == ("callback", 2)


def test_a_finished_training_returns_at_once(
    make_classifier, blobs, tmp_path, assert_same_bits
):
    options = {
        "batch_size": 25,
        "epochs": 3,
        "checkpoint": tmp_path / "training.npz",
        "optimizer": keras.optimizers.Adam(0.01, use_ema=True),
    }
    first, second = make_classifier(), make_classifier()
    history = train(first, *blobs, **options)
    calls = []
    again = train(
        second, *blobs, progress=lambda *call: calls.append(call), **options
    )
    assert calls == []
    assert_same_bits(second, again, first, history)
    assert again.total_seconds == history.total_seconds


class TestRefused:
    content = None

    @pytest.fixture
    def trained(self, make_classifier, blobs, tmp_path):
        path = tmp_path / "training.npz"
        if TestRefused.content is None:
            train(
                make_classifier(),
                *blobs,
                batch_size=16,
                epochs=1,
                checkpoint=path,
            )
            TestRefused.content = path.read_bytes()
        path.write_bytes(TestRefused.content)
        return path

    @pytest.mark.parametrize(
        ("options", "differences"),
        [
            ({"batch_size": 10}, "batch_size: 16, now 10"),
            ({"seed": 3, "epochs": 2}, "epochs: 1, now 2; seed: 0, now 3"),
            (
                {"optimizer": keras.optimizers.Adam(0.5)},
                r"optimizer\.learning_rate: 0\.001\d*, now 0\.5",
            ),
            ({"patience": 2}, "patience: None, now 2"),
            ({"jit_compile": True}, "jit_compile: False, now True"),
            ({"callbacks": [Interrupt()]}, r"callbacks: \[\], now .*"),
            ({"sample_weight": np.ones(50)}, r"data: '\w+', now '\w+'"),
            (
                {
                    "loss": keras.losses.SparseCategoricalCrossentropy(
                        from_logits=True, ignore_class=2
                    )
                },
                "loss.ignore_class: None, now 2",
            ),
        ],
    )
    def test_other_settings(
        self, trained, make_classifier, blobs, options, differences
    ):
        options = {"batch_size": 16, "epochs": 1, **options}
        before = trained.read_bytes()
        with pytest.raises(
            CheckpointError, match=rf"Different: {differences}\. Repeat the"
        ):
            train(make_classifier(), *blobs, checkpoint=trained, **options)
        assert trained.read_bytes() == before

    def test_other_data_and_model(self, trained, make_classifier, blobs):
        x, y = blobs
        options = {"batch_size": 16, "epochs": 1, "checkpoint": trained}
        with pytest.raises(CheckpointError, match=r"Different: data: '\w+', n"):
            train(make_classifier(), x + 1, y, **options)
        with pytest.raises(CheckpointError, match=r"optimizer\.class: 'Adam'"):
            train(make_classifier("sgd"), x, y, **options)
        with pytest.raises(CheckpointError, match=r"Different: model\.layers"):
            train(make_classifier(dropout=0.5), x, y, **options)

    def test_damaged_files(self, trained, make_classifier, blobs):
        # Every kind of damage is named as such, or leaves the result alone.
        content = trained.read_bytes()
        rng = np.random.default_rng(0)
        damaged = [content[:n] for n in (0, 10, len(content) // 2, -1)]
        for position in rng.integers(0, len(content), 20):
            flipped = bytearray(content)
            flipped[position] ^= 1 << int(rng.integers(8))
            damaged.append(bytes(flipped))
        # The directory at the end is what an archive is read by.
        for position in rng.integers(len(content) - 200, len(content), 20):
            flipped = bytearray(content)
            flipped[position] ^= 0xFF
            damaged.append(bytes(flipped))
        messages = []
        model = make_classifier()
        with np.load(trained) as file:
            settings = json.loads(file["header"].item())["settings"]
        whole = Checkpoint.load(trained, settings)
        for data in damaged:
            trained.write_bytes(data)
            try:
                read = Checkpoint.load(trained, settings)
            except CheckpointError as error:
                messages.append(str(error))
                continue
            assert read.rows == whole.rows
            for one, other in zip(
                read.state.model, whole.state.model, strict=True
            ):
                np.testing.assert_array_equal(one, other)
        assert len(messages) > len(damaged) / 2
        assert all("is damaged or no checkpoint" in text for text in messages)
        trained.write_bytes(content[:100])
        with pytest.raises(CheckpointError, match="Delete it, or pass another"):
            train(model, *blobs, batch_size=16, epochs=1, checkpoint=trained)


def test_other_weights_of_two_losses_are_refused(blobs, tmp_path):
    x, _ = blobs

    def run(weights):
        inputs = keras.Input((4,))
        heads = [keras.layers.Dense(1)(inputs) for _ in range(2)]
        model = keras.Model(inputs, heads)
        model.compile("sgd", ["mse", "mse"], loss_weights=weights)
        targets = [x[:, :1], x[:, 1:2]]
        path = tmp_path / "training.npz"
        return train(
            model, x, targets, batch_size=25, epochs=1, checkpoint=path
        )

    run([1.0, 2.0])
    run([1.0, 2.0])
    with pytest.raises(CheckpointError, match="loss_weights"):
        run([1.0, 3.0])


def test_no_pickle_and_half_precision(blobs, tmp_path):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, dtype="bfloat16")]
    )
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    path = tmp_path / "training.npz"
    options = {"batch_size": 25, "epochs": 1, "checkpoint": path}
    train(model, *blobs, **options)
    weights = model.get_weights()
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(file["header"].item())
        assert all(file[name].dtype != object for name in file.files)
    assert header["settings"]["batch_size"] == 25
    model.set_weights([0 * w for w in weights])
    train(model, *blobs, **options)
    for one, other in zip(weights, model.get_weights(), strict=True):
        assert one.dtype.name == "bfloat16"
        np.testing.assert_array_equal(one, other)


def test_written_at_most_every_so_many_seconds(
    make_classifier, blobs, tmp_path
):
    path = tmp_path / "training.npz"

    class Watch(keras.callbacks.Callback):
        seen = ()

        def on_epoch_end(self, epoch, logs=None):
            self.seen = (*self.seen, path.exists())

    for seconds, expected in ((0.0, (False, True, True)), (1e9, (False,) * 3)):
        path.unlink(missing_ok=True)
        watch = Watch()
        train(
            make_classifier(),
            *blobs,
            batch_size=25,
            epochs=3,
            checkpoint=path,
            checkpoint_seconds=seconds,
            callbacks=[watch],
        )
        assert watch.seen == expected
        assert path.exists()
