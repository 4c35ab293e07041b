"""Results of the landscape, which are read without Keras."""

import json
import subprocess
import sys

import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.landscape import DirectionBundle, Interpolation

# What reads a file in a process that knows no kind of result yet.
CODE = """
import sys
from keras_sharpness.results import Result
result = Result.load(sys.argv[1])
heavy = {"tensorflow", "keras"} & set(sys.modules)
print(type(result).__name__, type(result).__module__, sorted(heavy))
"""


def interpolation(**others):
    values = {
        "alphas": np.array([0.0, 1.0]),
        "losses": {"data": np.array([1.0, 2.0])},
        "accuracies": {},
        "barriers": {"data": 0.0},
        "path": "linear",
        "distance": 1.0,
        "moving_statistics": "objective",
        "num_evaluations": 2,
        "seconds": 0.5,
        "objectives": {"data": {}},
    }
    return Interpolation(**values | others)


# The module that files of earlier versions name, and the one of today.
@pytest.mark.parametrize("module", ["interpolation", "results"])
def test_a_file_of_any_version_needs_no_keras(tmp_path, module):
    values = interpolation().to_dict()
    values["module"] = f"keras_sharpness.landscape.{module}"
    path = tmp_path / "line.json"
    path.write_text(json.dumps(values))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "Interpolation keras_sharpness.landscape.results []\n"


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"barriers": {}}, "barriers of"),
        ({"losses": {"other": np.zeros(2)}}, "losses of other"),
        ({"losses": {"data": np.zeros(3)}}, "3"),
        ({"accuracies": {"data": np.zeros(3)}}, "shapes"),
    ],
)
def test_what_does_not_belong_together_is_refused(others, message):
    values = interpolation(**others).to_dict()
    with pytest.raises(ValueError, match=message):
        Interpolation.from_dict(values)


def test_one_objective_without_a_name_gives_its_values():
    one = interpolation()
    assert one.loss is one.losses["data"]
    assert one.accuracy is None
    assert one.barrier == 0.0
    two = interpolation(
        losses={"train": np.zeros(2), "test": np.ones(2)},
        barriers={"train": 0.0, "test": 0.0},
        objectives={"train": {}, "test": {}},
    )
    assert two.loss is two.losses
    assert list(two.to_frame()["data"]) == ["train", "train", "test", "test"]


def test_a_bundle_lists_what_was_evaluated():
    bundle = DirectionBundle(
        alphas=np.array([-1.0, 1.0]),
        losses={"data": np.array([[1.0, 2.0], [3.0, np.nan]])},
        accuracies={},
        finished=np.array([[True, True], [True, False]]),
        groups=("dense", "logits"),
        lengths=np.array([1.0, 2.0]),
        made={},
        moving_statistics="objective",
        num_evaluations=3,
        seconds=0.5,
        objectives={"data": {}},
    )
    assert not bundle.is_complete
    frame = bundle.to_frame()
    assert list(frame["loss"]) == [1.0, 2.0, 3.0]
    assert list(frame["group"]) == ["dense", "dense", "logits"]


def test_names_are_not_shadowed_by_modules():
    """A module that another one imports must not hide the function."""
    for name in ks.landscape.__all__:
        assert callable(getattr(ks.landscape, name)), name
