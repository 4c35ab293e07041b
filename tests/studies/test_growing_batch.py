"""Batches that grow, beside batches that stay, end to end."""

import pytest

from keras_sharpness.studies import MeasurementPlan, growing_batch
from keras_sharpness.training import GrowAt

OPTIONS = {
    "schedules": {
        "small": 9,
        "large": 90,
        "grown": GrowAt({1: 45}, initial=9),
    },
    "seeds": 1,
    "plan": MeasurementPlan(
        epsilons=(1e-2,), subspace_dim=None, num_eigenvalues=1, num_starts=1
    ),
    "training": {"epochs": 3, "optimizer": "sgd"},
    "progress": False,
}


def test_each_schedule_is_a_group(tmp_path, build_model, blobs):
    found = growing_batch(build_model, blobs, out=tmp_path / "s", **OPTIONS)
    frame = found.to_frame().set_index("group")
    # 90 samples: ten, one, and ten and twice two updates an epoch.
    assert frame.loc["small", "updates"] == 30
    assert frame.loc["large", "updates"] == 3
    assert frame.loc["grown", "updates"] == 14
    assert found.references == {"large": "small", "grown": "small"}
    # Read again, not trained again.
    seconds = list(frame["seconds"])
    again = growing_batch(build_model, blobs, out=tmp_path / "s", **OPTIONS)
    assert list(again.to_frame()["seconds"]) == seconds


@pytest.mark.parametrize(
    ("schedules", "message"),
    [
        ({"one": 9}, "two or more"),
        ([9, 90], "two or more"),
        ({"one": 9, "other": 1000}, "training samples"),
        ({"one": 9, "other": "90"}, "schedules"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path, build_model, blobs, schedules, message
):
    options = {**OPTIONS, "schedules": schedules}
    with pytest.raises(ValueError, match=message):
        growing_batch(build_model, blobs, out=tmp_path / "s", **options)
