"""A comparison end to end: what it finds, and that it never starts over."""

import dataclasses
import html
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

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


def test_report_and_table_are_written(comparison, tmp_path):
    table = pd.read_csv(tmp_path / "study/table.csv")
    pd.testing.assert_frame_equal(table, comparison.to_frame())
    report = html.unescape((tmp_path / "study/report.html").read_text())
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


def changed(data, name, place=0):
    """The data set with one number more in one array."""
    array = getattr(data, name).copy()
    array[place] = array[place] + 1 if array.dtype.kind == "f" else 0
    return dataclasses.replace(data, **{name: array})


def wider_loss(y, y_pred):
    return 2.0 * keras.losses.sparse_categorical_crossentropy(
        y, y_pred, from_logits=True
    )


def network(activation):
    layers = [keras.Input((2,)), keras.layers.Dense(3, activation)]
    # Its name is of Keras' counting.
    model = keras.Sequential(layers)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


SMALL_PLAN = MeasurementPlan(
    epsilons=(1e-2,), subspace_dim=None, num_eigenvalues=0
)
ONCE = {**OPTIONS, "epochs": 1, "seeds": 1, "plan": SMALL_PLAN}


def linear():
    return network(None)


def squashed():
    return network("tanh")


def test_a_study_is_tied_to_data_network_and_loss(tmp_path, blobs):
    out = tmp_path / "study"
    found = compare(linear, blobs, out=out, **ONCE)
    # Another number in the name, of one process.
    assert compare(linear, blobs, out=out, **ONCE).rows == found.rows
    before = stamps(out)
    for builder, data, options, difference in (
        (linear, changed(blobs, "x_train"), {}, "data.x_train"),
        (linear, changed(blobs, "y_train", 1), {}, "data.y_train"),
        (linear, changed(blobs, "x_test"), {}, "data.x_test"),
        (linear, changed(blobs, "y_test", 1), {}, "data.y_test"),
        (squashed, blobs, {}, "architecture.layers"),
        (linear, blobs, {"loss": wider_loss}, "loss.function"),
    ):
        # A half-done study is no better.
        for is_half_done in (False, True):
            hidden = out / "comparison.json"
            moved = tmp_path / "moved.json"
            if is_half_done:
                hidden.rename(moved)
            with pytest.raises(RunFolderError) as caught:
                compare(builder, data, out=out, **{**ONCE, **options})
            assert difference in str(caught.value)
            assert str(out) in str(caught.value)
            assert "another folder" in str(caught.value)
            if is_half_done:
                moved.rename(hidden)
    assert stamps(out) == before


def test_a_folder_without_digests_goes_on(tmp_path, blobs):
    """As the version before wrote them, with Keras' number in the name."""
    out = tmp_path / "study"
    found = compare(linear, blobs, out=out, **ONCE)
    for file in (out / "study.json", *out.glob("*/run.json")):
        description = json.loads(file.read_text())
        del description["settings"]["fingerprint"]
        description["settings"]["model"] += "_17"
        file.write_text(json.dumps(description))
    with pytest.warns(UserWarning, match="kept no digest") as caught:
        again = compare(linear, blobs, out=out, **ONCE)
    assert len([w for w in caught if "digest" in str(w.message)]) == 1
    assert again.rows == found.rows


def test_a_model_that_is_trained_anew_is_measured_anew(tmp_path, blobs):
    out = tmp_path / "study"
    found = compare(linear, blobs, out=out, **ONCE)
    run = out / "seed-0-batch-10"
    (run / "model.keras").unlink()
    for file in (
        run / "measurements/evaluation.json",
        out / "pairs/interpolation-linear-seed-0.json",
    ):
        # Of the model that is gone.
        stored = json.loads(file.read_text())
        stored["result"]["mark"] = "old"
        file.write_text(json.dumps(stored))
    assert compare(linear, blobs, out=out, **ONCE).rows == found.rows
    for file in (*run.glob("measurements/*"), *out.glob("pairs/*")):
        assert "mark" not in json.loads(file.read_text())["result"]


def test_a_regression_is_compared_by_its_loss(tmp_path, blobs):
    def build():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(loss="mse")
        return model

    data = ks.data.SampleData(
        name="sums",
        x_train=blobs.x_train,
        y_train=blobs.x_train.sum(axis=1),
        x_test=blobs.x_test,
        y_test=blobs.x_test.sum(axis=1),
        source="made by the test",
    )
    out = tmp_path / "study"
    found = compare(build, data, out=out, **ONCE)
    assert found.rows[0]["test_accuracy"] is None
    residual = (
        ks.saving.load_model(out / "seed-0-batch-10/model.keras").predict(
            data.x_test, verbose=0
        )[:, 0]
        - data.y_test
    )
    # Float32 sums of 30 samples.
    expected = pytest.approx(np.mean(residual**2), rel=1e-5)
    assert found.rows[0]["test_loss"] == expected
    assert "test loss" in found.verdict()[-1]
    report = (out / "report.html").read_text()
    assert "Test loss against" in report


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


class Product(keras.layers.Layer):
    """A layer that is registered nowhere: `x W`."""

    def build(self, shape):
        """Makes W."""
        self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

    def call(self, x):
        """The product."""
        return keras.ops.matmul(x, self.kernel)


def test_layers_of_ones_own_are_measured(tmp_path):
    def build_model():
        model = keras.Sequential([keras.Input((2,)), Product()])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(loss=loss)
        return model

    x = np.random.default_rng(0).standard_normal((60, 2))
    y = (x[:, 0] > 0).astype(int)
    data = ks.data.ClassificationData(
        name="half-plane",
        x_train=x[:40],
        y_train=y[:40],
        x_test=x[40:],
        y_test=y[40:],
        num_classes=2,
        source="made here",
    )
    found = [
        ks.studies.compare(
            build_model,
            data,
            small_batch=4,
            large_batch=40,
            epochs=2,
            seeds=1,
            plan=ks.studies.MeasurementPlan(subspace_dim=2),
            out=tmp_path / "study",
            progress=False,
        ).to_frame()
        for _ in range(2)
    ]
    assert np.isfinite(found[0]["eigenvalue_1"]).all()
    assert found[0].equals(found[1])
