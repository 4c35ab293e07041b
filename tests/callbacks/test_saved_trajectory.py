"""Weights along a training, read back from the disk."""

import numpy as np
import pytest

from keras_sharpness import Objective
from keras_sharpness.callbacks import SavedTrajectory, WeightTrajectory
from tests.callbacks.recorder import Recorder, assert_read_back


def test_what_is_written_is_read_back(build, data, tmp_path):
    model, recorder = build(batch_norm=True), Recorder()
    model.fit(
        *data,
        batch_size=12,
        epochs=3,
        verbose=0,
        callbacks=[
            WeightTrajectory(tmp_path / "epochs"),
            WeightTrajectory(tmp_path / "batches", frequency=5),
            recorder,
        ],
    )
    by_epoch = SavedTrajectory(tmp_path / "epochs")
    assert by_epoch.steps == [0, 4, 8, 12]
    assert by_epoch.epochs == [0, 1, 2, 3]
    by_batch = SavedTrajectory(tmp_path / "batches")
    # The last is the end of the training.
    assert by_batch.steps == [0, 5, 10, 12]
    assert by_batch.epochs == [0, 1, 2, 3]
    for saved in (by_epoch, by_batch):
        assert len(saved) == 4
        assert_read_back(saved, recorder.points)
    assert [checkpoint.step for checkpoint in by_epoch[1:3]] == [4, 8]
    assert sum(np.prod(shape) for shape in by_epoch.shapes) == 63
    assert by_epoch.variables == tuple(
        variable.path for variable in model.trainable_variables
    )
    with pytest.raises(IndexError):
        by_epoch[4]
    # The last one is the model as it is.
    objective = Objective(model, *data)
    last = by_epoch[-1]
    assert objective.value(last.weights, state=last.state) == objective.value()
