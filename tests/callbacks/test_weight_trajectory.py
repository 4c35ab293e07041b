"""Weights along the training, on disk."""

import json

import keras
import numpy as np
import pytest

from keras_sharpness import train
from keras_sharpness.callbacks import SavedTrajectory, WeightTrajectory
from tests.callbacks.recorder import Recorder, assert_read_back


@pytest.mark.parametrize("most", [3, 4, 8])
def test_bounded_and_evenly_thinned(build, data, tmp_path, most):
    sizes, gaps = [], []

    def look(epoch, logs):
        files = sorted(path.name for path in tmp_path.iterdir())
        saved = SavedTrajectory(tmp_path)
        assert len(files) == len(saved) + 1
        sizes.append(len(saved))
        assert (saved.epochs[0], saved.epochs[-1]) == (0, epoch + 1)
        gaps.append(np.diff(saved.epochs))

    model, recorder = build(), Recorder()
    model.fit(
        *data,
        batch_size=48,
        epochs=30,
        verbose=0,
        callbacks=[
            WeightTrajectory(tmp_path, max_checkpoints=most),
            keras.callbacks.LambdaCallback(on_epoch_end=look),
            recorder,
        ],
    )
    assert max(sizes) == most
    assert min(sizes[most:]) >= most // 2 + 1
    for gap in gaps:
        # All the same, but for the one that leads to the latest.
        assert len(set(gap[:-1])) <= 1
        assert gap[-1] <= gap[0]
    assert_read_back(SavedTrajectory(tmp_path), recorder.points)


def test_goes_on_with_the_training(build, data, tmp_path):
    model, recorder = build(), Recorder()
    options = {"batch_size": 24, "verbose": 0}
    for epochs in ((0, 3), (3, 5)):
        model.fit(
            *data,
            initial_epoch=epochs[0],
            epochs=epochs[1],
            callbacks=[WeightTrajectory(tmp_path), recorder],
            **options,
        )
    saved = SavedTrajectory(tmp_path)
    assert saved.epochs == [0, 1, 2, 3, 4, 5]
    assert saved.steps == [0, 2, 4, 6, 8, 10]
    assert_read_back(saved, recorder.points)


class StopsAt(keras.callbacks.Callback):
    """Ctrl-C at the beginning of an epoch."""

    epoch = None

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("frequency", ["epoch", 1, 3, 7])
@pytest.mark.parametrize("most", [3, 100])
def test_goes_on_from_a_checkpoint_of_train(
    build, data, tmp_path, frequency, most
):
    def run(folder, stop=None):
        stopping, recorder = StopsAt(), Recorder()
        stopping.epoch = stop
        train(
            build(),
            *data,
            batch_size=12,
            epochs=6,
            checkpoint=tmp_path / f"{folder}.npz",
            checkpoint_seconds=0.0,
            callbacks=[
                WeightTrajectory(
                    tmp_path / folder,
                    frequency=frequency,
                    max_checkpoints=most,
                ),
                stopping,
                recorder,
            ],
            progress=False,
        )
        return recorder.points

    points = run("whole")
    # Four batches an epoch: 12 are neither 3, 7 nor all of them.
    for stop in (3, 5):
        with pytest.raises(KeyboardInterrupt):
            run("parts", stop)
    run("parts")
    whole, parts = (SavedTrajectory(tmp_path / f) for f in ("whole", "parts"))
    if most == 100:
        assert parts.steps == whole.steps
        assert parts.epochs == whole.epochs
    assert (parts.steps[0], parts.steps[-1]) == (0, 24)
    assert len(parts) <= most
    assert_read_back(parts, points)


def test_goes_back_with_the_training(build, data, tmp_path):
    callbacks = [WeightTrajectory(tmp_path), Recorder()]
    model = build()
    model.fit(*data, epochs=2, callbacks=callbacks, verbose=0)
    weights = model.get_weights()
    steps = int(model.optimizer.iterations)
    model.fit(*data, initial_epoch=2, epochs=4, callbacks=callbacks, verbose=0)
    # As a restored backup does; and what an interruption left over.
    model.set_weights(weights)
    model.optimizer._iterations.assign(steps)
    (tmp_path / ".tmp-0123abcd-checkpoint-00000009.npz").write_bytes(b"half")
    (tmp_path / "checkpoint-00000007.npz").write_bytes(b"not in the index")
    model.fit(*data, initial_epoch=2, epochs=3, callbacks=callbacks, verbose=0)
    saved = SavedTrajectory(tmp_path)
    assert saved.epochs == [0, 1, 2, 3]
    assert_read_back(saved[2:], callbacks[1].points)
    assert len(list(tmp_path.iterdir())) == 5


def test_another_training_is_refused_or_replaced(build, data, tmp_path):
    def fit(model, **options):
        model.fit(
            *data,
            callbacks=[WeightTrajectory(tmp_path, **options)],
            verbose=0,
        )

    fit(build())
    with pytest.raises(ValueError, match="this one starts anew"):
        fit(build())
    with pytest.raises(ValueError, match="its weights are others"):
        fit(build(batch_norm=True))
    model = build()
    model.fit(*data, verbose=0)
    model.set_weights([weight + 1.0 for weight in model.get_weights()])
    with pytest.raises(ValueError, match="at step 2 it was elsewhere"):
        fit(model)
    fit(build(batch_norm=True), overwrite=True)
    saved = SavedTrajectory(tmp_path)
    assert saved.steps == [0, 2]
    assert saved[0].weights.shape == (63,)
    assert len(list(tmp_path.iterdir())) == 3


def test_folders_of_others_are_refused(build, data, tmp_path):
    def fit(folder):
        build().fit(*data, callbacks=[WeightTrajectory(folder)], verbose=0)

    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"other files .* notes\.txt"):
        fit(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(OSError, match=r"notes\.txt.* a file is where"):
        fit(tmp_path / "notes.txt")
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.json").write_text(json.dumps({"format": "recipes"}))
    with pytest.raises(ValueError, match="not the index of a weight"):
        fit(other)
    with pytest.raises(ValueError, match="not the index of a weight"):
        SavedTrajectory(other)
    with pytest.raises(FileNotFoundError, match="no weight trajectory"):
        SavedTrajectory(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_checkpoints": 2}, "at least 3"),
        ({"max_checkpoints": 9.5}, "must be an integer"),
        ({"frequency": "batch"}, "`frequency` must be an integer"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        WeightTrajectory(tmp_path, **options)


def test_another_network_of_the_same_shapes_is_refused(data, tmp_path):
    def begun(activation):
        layers = keras.layers
        keras.utils.set_random_seed(0)
        model = keras.Sequential([layers.Input(data[0].shape[1:])])
        model.add(layers.Dense(3, activation))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    def fit(model):
        trajectory = WeightTrajectory(tmp_path)
        model.fit(*data, epochs=1, verbose=0, callbacks=[trajectory])

    fit(begun("softmax"))
    index = tmp_path / "index.json"
    other = begun("sigmoid")
    with pytest.raises(ValueError, match="its network is another"):
        fit(other)
    # What an earlier version wrote has only shapes to go by.
    old = json.loads(index.read_text())
    del old["network"]
    index.write_text(json.dumps(old))
    with pytest.raises(ValueError, match="this one starts anew"):
        fit(other)
