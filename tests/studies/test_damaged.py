"""Damaged studies: every error names the file and says what to do."""

import json
import os
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import pytest

from keras_sharpness.runs import RunFolderError
from keras_sharpness.saving import KerasSharpnessError
from keras_sharpness.studies import MeasurementPlan, compare

PLAN = MeasurementPlan(epsilons=(1e-2,), subspace_dim=None, num_eigenvalues=1)
OPTIONS = {
    "small_batch": 10,
    "large_batch": 90,
    "epochs": 2,
    "seeds": 1,
    "plan": PLAN,
    "progress": False,
}
RUN = "seed-0-batch-10"
HISTORY = f"{RUN}/history.json"
EVALUATION = f"{RUN}/measurements/evaluation.json"
SHARPNESS = f"{RUN}/measurements/epsilon_sharpness-0.01-full.json"
EIGENVALUES = f"{RUN}/measurements/hessian_eigenvalues.json"
LINE = "pairs/interpolation-linear-seed-0.json"
ARRAY = {"array": [1.0, 2.0], "dtype": "<f8", "shape": [2]}


def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


@pytest.fixture(scope="module")
def finished(tmp_path_factory, blobs):
    folder = tmp_path_factory.mktemp("damaged") / "study"
    return folder, compare(build, blobs, out=folder, **OPTIONS)


@pytest.fixture
def study(finished, tmp_path):
    return pathlib.Path(shutil.copytree(finished[0], tmp_path / "study"))


def put(file, at, value):
    """Another value in a JSON file, at a path of keys."""
    content = json.loads(file.read_text())
    place = content
    for key in at[:-1]:
        place = place[key]
    if value is ...:
        del place[at[-1]]
    else:
        place[at[-1]] = value
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        (EVALUATION, ("result", "train_loss"), "text"),
        (EVALUATION, ("result", "train_loss"), None),
        (EVALUATION, ("result", "test_accuracy"), [1.0]),
        (EVALUATION, ("result", "objective"), {"loss": 3}),
        (EVALUATION, ("result", "kind"), "TrainingHistory"),
        (EVALUATION, ("result",), []),
        (EVALUATION, ("settings",), 3),
        (SHARPNESS, ("result", "value"), {}),
        (SHARPNESS, ("result", "value"), ...),
        (EIGENVALUES, ("result", "eigenvalues"), [[1.0]]),
        (EIGENVALUES, ("result", "eigenvalues"), ARRAY),
        (EIGENVALUES, ("result", "residuals"), 10**30),
        (HISTORY, ("kind",), "Evaluation"),
        (HISTORY, ("loss",), ARRAY | {"shape": [3]}),
        (HISTORY, ("loss",), {"packed": "?", "dtype": "<f8", "shape": [2]}),
        (HISTORY, ("val_loss",), ARRAY | {"array": [1.0], "shape": [1]}),
        (HISTORY, ("num_updates",), "many"),
        (LINE, ("result", "losses", "train"), [1, 2, 3]),
        (LINE, ("result", "losses", "train"), ARRAY),
        (LINE, ("result", "losses"), {}),
        (LINE, ("result", "barriers", "train"), 10**30),
        (LINE, ("result", "objectives", "train"), 0),
        (LINE, ("result", "objectives", "train", "loss"), ...),
        (LINE, ("result", "distance"), {}),
        (f"{RUN}/run.json", ("settings",), []),
        (f"{RUN}/run.json", ("versions", "keras"), 3),
        ("study.json", ("settings", "epochs"), ARRAY | {"shape": [3]}),
        ("study.json", ("versions",), None),
    ],
)
def test_a_damaged_value_is_named_with_its_file(study, blobs, name, at, value):
    put(study / name, at, value)
    with pytest.raises(KerasSharpnessError) as caught:
        compare(build, blobs, out=study, **OPTIONS)
    message = str(caught.value)
    assert str(study / name) in message
    assert "elete" in message
    assert "\n" not in message


def test_damaged_initial_weights(study, blobs, finished):
    weights = study / RUN / "initial.weights.h5"
    weights.write_bytes(weights.read_bytes()[:100])
    (study / EVALUATION).unlink()
    with pytest.raises(RunFolderError, match="made again from the seed"):
        compare(build, blobs, out=study, **OPTIONS)
    # As the message says.
    weights.unlink()
    again = compare(build, blobs, out=study, **OPTIONS)
    assert again.rows == finished[1].rows


@pytest.fixture
def read_only(finished):
    """A copy that nobody may write to, not even root, who becomes another."""
    # Not below a folder that root alone may enter.
    above = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    above.chmod(0o755)
    folder = pathlib.Path(shutil.copytree(finished[0], above / "study"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
        shutil.rmtree(above)


def test_a_finished_study_that_cannot_be_written_is_read(
    read_only, blobs, finished
):
    assert not os.access(
        read_only, os.W_OK, effective_ids=os.access in os.supports_effective_ids
    )
    found = compare(build, blobs, out=read_only, **OPTIONS)
    assert found.rows == finished[1].rows
    np.testing.assert_equal(found.barriers, finished[1].barriers)
    # What is not there is not made, and what is another study is none.
    wider = {**OPTIONS, "plan": MeasurementPlan(subspace_dim=None)}
    for options, message in (
        (wider, "not finished. Copy it"),
        ({**OPTIONS, "seeds": 2}, "not finished. Copy it"),
        ({**OPTIONS, "epochs": 3}, "epochs: 2 there, 3 asked for"),
    ):
        with pytest.raises(RunFolderError, match=message):
            compare(build, blobs, out=read_only, **options)
