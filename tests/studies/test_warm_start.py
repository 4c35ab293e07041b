"""Large batches from the end of small ones, end to end."""

import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.studies import MeasurementPlan, warm_start
from keras_sharpness.studies.member_run import build_from_seed

OPTIONS = {
    "small_batch": 9,
    "large_batch": 90,
    "small_epochs": (0, 2),
    "seeds": 2,
    "plan": MeasurementPlan(
        epsilons=(1e-2,), subspace_dim=None, num_eigenvalues=1, num_starts=1
    ),
    "training": {"epochs": 3, "optimizer": "sgd", "patience": 99},
    "progress": False,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, build_model, blobs):
    out = tmp_path_factory.mktemp("warm") / "study"
    return out, warm_start(build_model, blobs, out=out, **OPTIONS)


def test_large_batches_start_where_small_ones_ended(
    finished, build_model, blobs
):
    out, found = finished
    # By hand: two epochs of 9, then three of 90 with a fresh optimizer.
    model = build_from_seed(build_model, 1)
    data = (blobs.x_train, blobs.y_train)
    ks.train(model, *data, batch_size=9, epochs=2, seed=1, optimizer="sgd")
    ks.train(model, *data, batch_size=90, epochs=3, seed=1, optimizer="sgd")
    run = ks.runs.RunFolder.open(out / "seed-1-after-2")
    for one, other in zip(
        run.load_model().get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    frame = found.to_frame()
    assert list(frame["small_epochs"]) == [0, 2, 0, 2]
    assert found.groups == ("no small batch", "2 epochs of batch 9")
    assert found.references == {"2 epochs of batch 9": "no small batch"}


def test_report_and_tables_are_written(finished):
    out, found = finished
    for name in ("report.html", "table.csv", "differences.csv", "table.tex"):
        assert (out / name).is_file()
    assert "2 epochs of batch 9" in (out / "report.html").read_text()
    assert len(found.summary()) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"small_epochs": ()}, "small_epochs"),
        ({"small_epochs": (1, 1)}, "small_epochs"),
        ({"small_epochs": (-1,)}, "small_epochs"),
        ({"small_batch": 90}, "smaller than `large_batch`"),
        ({"large_batch": 1000}, "training samples"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path, build_model, blobs, options, message
):
    out = tmp_path / "study"
    with pytest.raises(ValueError, match=message):
        warm_start(build_model, blobs, out=out, **{**OPTIONS, **options})
    assert not out.exists()
