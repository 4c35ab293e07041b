"""A comparison end to end: what it finds, and that it never starts over."""

import dataclasses
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.stats

import keras_sharpness as ks
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.runs import RunFolder, RunFolderError, StudyFolder
from keras_sharpness.studies import MeasurementPlan, compare

OPTIONS = {
    "small_batch": 10,
    "large_batch": 90,
    "epochs": 3,
    "seeds": 2,
    "progress": False,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, build_model, blobs, plan):
    folder = tmp_path_factory.mktemp("comparison") / "study"
    return folder, compare(build_model, blobs, plan=plan, out=folder, **OPTIONS)


@pytest.fixture
def comparison(finished, tmp_path):
    """The comparison, with a copy of its folder for each test to change."""
    folder, found = finished
    shutil.copytree(folder, tmp_path / "study")
    return found


def stamps(folder):
    """When each file below a folder was last written."""
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_rows_hold_what_a_separate_measurement_finds(
    comparison, tmp_path, blobs
):
    frame = comparison.to_frame()
    assert list(frame["batch"]) == ["small", "large"] * 2
    assert list(frame["updates"]) == [27, 3, 27, 3]
    for row in comparison.rows:
        path = tmp_path / f"study/seed-{row['seed']}-batch-{row['batch_size']}"
        model = ks.saving.load_model(path / "model.keras", compile=True)
        objective = ks.Objective(model, blobs.x_train, blobs.y_train)
        # The same model, data and float32 operations.
        assert objective.value() == pytest.approx(row["train_loss"], rel=1e-6)
        sharpness = ks.epsilon_sharpness(
            objective, epsilon=1e-2, maximizer="frank-wolfe"
        )
        assert sharpness.value == pytest.approx(
            row["sharpness_0.01_full"], rel=1e-5
        )
        top = ks.hessian_eigenvalues(objective)
        # Both residuals are at most 1e-3.
        assert top.eigenvalues[0] == pytest.approx(
            row["eigenvalue_1"], rel=2e-3
        )
        found = np.mean(
            np.argmax(model.predict(blobs.x_test, verbose=0), axis=1)
            == blobs.y_test
        )
        assert row["test_accuracy"] == pytest.approx(found, rel=1e-6)


def test_both_batch_sizes_start_from_the_same_weights(
    comparison, tmp_path, build_model
):
    starts = {}
    for row in comparison.rows:
        path = tmp_path / f"study/seed-{row['seed']}-batch-{row['batch_size']}"
        model = build_model()
        model.load_weights(path / "initial.weights.h5")
        start = WeightLayout(model).read()
        np.testing.assert_array_equal(
            starts.setdefault(row["seed"], start), start
        )
        end = WeightLayout(ks.saving.load_model(path / "model.keras")).read()
        assert row["distance_from_start"] == pytest.approx(
            np.linalg.norm(end - start), rel=1e-12
        )
    assert not np.array_equal(starts[0], starts[1])


def test_the_pair_is_joined_by_both_paths(comparison, tmp_path):
    study = StudyFolder.open(tmp_path / "study")
    for path in ("linear", "curvilinear"):
        line = study.read(f"interpolation-{path}-seed-1")
        assert line.path == path
        ends = line.losses["train"][[8, 16]]
        rows = [row["train_loss"] for row in comparison.rows if row["seed"]]
        # α = 0 and 1 show the models' own losses, up to float32.
        np.testing.assert_allclose(ends, rows, rtol=1e-5)
    assert set(comparison.barriers) == {
        f"{path}/{split}"
        for path in ("linear", "curvilinear")
        for split in ("train", "test")
    }


def test_summary_is_mean_and_sample_deviation(comparison):
    summary = comparison.summary()
    assert list(summary.columns) == [
        "small batch (10)",
        "large batch (90)",
        "large / small",
    ]
    values = comparison.to_frame().query("batch == 'large'")["test_loss"]
    mean, deviation = np.mean(values), np.std(values, ddof=1)
    expected = f"{mean:.3g} ± {deviation:.3g}"
    assert summary.loc["test loss", "large batch (90)"] == expected


def test_verdict_names_the_sharper_one(comparison):
    frame = comparison.sharpness_frame().query("space == 'full'")
    means = frame.groupby("batch")["sharpness"].mean()
    sentence = comparison.verdict()[0]
    assert f"the {means.idxmax()}-batch minimum is" in sentence
    assert f"{means.max() / means.min():.3g} times sharper" in sentence


def with_accuracies(comparison, small, large):
    """The comparison with other accuracies, one pair for each seed."""
    first = {row["batch"]: row for row in comparison.rows}
    return dataclasses.replace(
        comparison,
        rows=tuple(
            {**first[batch], "seed": seed, "test_accuracy": accuracy}
            for batch, accuracies in (("small", small), ("large", large))
            for seed, accuracy in enumerate(accuracies)
        ),
    )


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        ((0.91, 0.93, 0.95), (0.89, 0.905, 0.93), "The small-batch minimum"),
        ((0.91, 0.93, 0.95), (0.93, 0.96, 0.97), "The large-batch minimum"),
        ((0.91, 0.93, 0.95), (0.95, 0.93, 0.94), "3 seeds cannot tell"),
        # Within ± 12.7 standard errors.
        ((0.91, 0.93), (0.92, 0.935), "2 seeds cannot tell"),
    ],
)
def test_verdict_on_generalisation(comparison, small, large, expected):
    sentence = with_accuracies(comparison, small, large).verdict()[1]
    assert expected in sentence
    interval = scipy.stats.ttest_rel(large, small).confidence_interval(0.95)
    low, high = (100 * end for end in interval)
    assert f"confidence interval {low:+.2f} to {high:+.2f}" in sentence
    gap = 100 * (np.mean(large) - np.mean(small))
    assert f"a difference of {gap:+.2f} percentage points" in sentence


@pytest.mark.parametrize(
    ("small", "large", "expected"),
    [
        ((0.9, 0.8), (0.9, 0.8), "Both generalise alike"),
        ((0.9,), (0.8,), "In this seed the small-batch minimum"),
    ],
)
def test_verdict_on_generalisation_without_a_spread(
    comparison, small, large, expected
):
    sentence = with_accuracies(comparison, small, large).verdict()[1]
    assert expected in sentence
    assert "confidence" not in sentence


def test_report_and_table_are_written(comparison, tmp_path):
    table = pd.read_csv(tmp_path / "study/table.csv")
    pd.testing.assert_frame_equal(table, comparison.to_frame())
    report = (tmp_path / "study/report.html").read_text()
    assert "Small against large batches: small on blobs" in report
    for sentence in comparison.verdict():
        assert sentence in report


def test_a_repeated_call_only_reads(
    comparison, tmp_path, build_model, blobs, plan
):
    made = ("report.html", "table.csv", "comparison.json")
    before = stamps(tmp_path / "study")
    again = compare(
        build_model, blobs, plan=plan, out=tmp_path / "study", **OPTIONS
    )
    after = stamps(tmp_path / "study")
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed <= set(made)
    assert again.rows == comparison.rows


def test_another_measurement_is_added_without_training(
    comparison, tmp_path, build_model, blobs
):
    models = list((tmp_path / "study").rglob("model.keras"))
    before = {path: path.stat().st_mtime_ns for path in models}
    wider = MeasurementPlan(
        epsilons=(1e-2, 1e-3), subspace_dim=3, num_eigenvalues=1
    )
    again = compare(
        build_model, blobs, plan=wider, out=tmp_path / "study", **OPTIONS
    )
    assert "sharpness_0.001_full" in again.to_frame()
    assert before == {path: path.stat().st_mtime_ns for path in models}


SCRIPT = """
import sys, os, signal, pickle
import keras
import keras_sharpness as ks
from keras_sharpness.studies import MeasurementPlan, compare, member

kill_after = int(sys.argv[2])
count = 0
original = ks.runs.RunFolder.write

def write(self, *arguments):
    global count
    original(self, *arguments)
    count += 1
    if count == kill_after:
        os.kill(os.getpid(), signal.SIGKILL)

ks.runs.RunFolder.write = write

def build_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model

data = pickle.load(open(sys.argv[3], "rb"))
compare(
    build_model, data, small_batch=10, large_batch=90, epochs=2, seeds=1,
    name="linear", out=sys.argv[1], progress=False,
    plan=MeasurementPlan(epsilons=(1e-2,), subspace_dim=2, num_eigenvalues=1),
)
"""


def test_a_killed_study_goes_on_and_ends_the_same(tmp_path, blobs):
    """Killed twice by SIGKILL; what was finished is not done again."""
    import pickle

    pickled = tmp_path / "data.pickle"
    pickled.write_bytes(pickle.dumps(blobs))

    def run(out, kill_after):
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, out, str(kill_after), pickled],
            capture_output=True,
            text=True,
            check=False,
        )

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert run(killed, 2).returncode == -9
    first = stamps(killed)
    finished = {path for path in first if path.parent.name == "measurements"}
    assert len(finished) == 2
    assert run(killed, 4).returncode == -9
    done = run(killed, 0)
    assert done.returncode == 0, done.stderr
    last = stamps(killed)
    assert all(last[path] == first[path] for path in finished)
    assert not [path for path in last if path.name.startswith(".tmp")]
    assert run(whole, 0).returncode == 0
    one, two = (
        json.loads((folder / "comparison.json").read_text())["rows"]
        for folder in (killed, whole)
    )
    assert one == two


def test_other_settings_in_the_same_folder_are_refused(
    comparison, tmp_path, build_model, blobs, plan
):
    with pytest.raises(RunFolderError, match="epochs"):
        compare(
            build_model,
            blobs,
            plan=plan,
            out=tmp_path / "study",
            **{**OPTIONS, "epochs": 4},
        )


def test_what_is_not_a_study_is_refused(tmp_path, build_model, blobs, plan):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/to-mother.txt").write_text("Dear mother,")
    for out in (tmp_path / "letters", "/proc/none"):
        with pytest.raises(RunFolderError):
            compare(build_model, blobs, plan=plan, out=out, **OPTIONS)
    with pytest.raises(RunFolderError):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"small_batch": 90}, "must be smaller than `large_batch`"),
        ({"large_batch": 91}, "There are 90 training samples"),
        ({"small_batch": 0}, "`small_batch` must be an integer from 1"),
        ({"epochs": 0}, "`epochs` must be an integer of at least 1"),
        ({"seeds": 0}, "`seeds` must be an integer of at least 1"),
        ({"seeds": [1, 1]}, "each once"),
    ],
)
def test_bad_options_are_refused_before_work(
    tmp_path, build_model, blobs, options, message
):
    out = tmp_path / "study"
    with pytest.raises(ValueError, match=message):
        compare(build_model, blobs, out=out, **{**OPTIONS, **options})
    assert not out.exists()


def test_a_builder_of_something_else_is_refused(tmp_path, blobs):
    with pytest.raises(ValueError, match="must return a keras"):
        compare(lambda: "model", blobs, out=tmp_path / "study", **OPTIONS)


def test_a_model_that_does_not_fit_is_refused_before_work(
    tmp_path, blobs, plan
):
    def too_wide():
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
        model.compile(loss="sparse_categorical_crossentropy")
        return model

    with pytest.raises(ValueError, match="do not fit model"):
        compare(too_wide, blobs, plan=plan, out=tmp_path / "study", **OPTIONS)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilons": ()}, "`epsilons` must be a tuple"),
        ({"epsilons": (0.0,)}, "`epsilons` must be a positive"),
        (
            {"subspace_dim": 0},
            "`subspace_dim` must be an integer of at least 1",
        ),
        ({"num_samples": 0}, "`num_samples` must be an integer of at least 1"),
        ({"num_eigenvalues": -1}, "must be an integer of at least 0"),
    ],
)
def test_bad_plans_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MeasurementPlan(**options)
