"""The parts that pages are made of: losses, numbers, archives."""

import io
import json
import zipfile

import keras
import numpy as np
import pytest
from work.architecture import layers_side_by_side, settings_side_by_side
from work.between import Interpolate, merged
from work.data import DataChoice, installed_sets
from work.losses import chosen_loss, targets
from work.minimum import Minimum
from work.numbers import relative, table
from work.recipes import computed, zip_bytes

from keras_sharpness import data
from keras_sharpness.charts import relative_chart, to_svg
from keras_sharpness.landscape import interpolate
from keras_sharpness.metrics import Objective


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        (lambda: keras.layers.Dense(3), "logits"),
        (lambda: keras.layers.Dense(3, "softmax"), "probabilities"),
        (lambda: keras.layers.Softmax(), "probabilities"),
        (lambda: keras.layers.Dense(1, "sigmoid"), "binary"),
    ],
)
def test_the_loss_follows_the_last_layer(tmp_path, last, loss):
    path = tmp_path / "model.keras"
    model = keras.Sequential([keras.Input((3,)), last()])
    model.save(path)
    assert chosen_loss("auto", path) == loss
    assert chosen_loss("squared", path) == "squared"


def test_targets():
    y = np.array([1, 0])
    np.testing.assert_array_equal(targets("squared", y, 2), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(targets("binary", y, 2), [[1.0], [0.0]])
    assert targets("logits", y, 2) is y


def test_two_turns_are_one_path():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    objective = Objective(model, np.eye(2), np.ones((2, 1)), loss="mse")
    ends = np.zeros(3), np.array([1.0, -2.0, 0.5])
    alphas = np.linspace(-1, 2, 7)
    whole = interpolate(objective, *ends, alphas=alphas)
    parts = [
        interpolate(objective, *ends, alphas=alphas[::3]),
        interpolate(objective, *ends, alphas=alphas[[1, 2, 4, 5]]),
    ]
    joined = merged(parts)
    np.testing.assert_array_equal(joined.alphas, whole.alphas)
    np.testing.assert_array_equal(joined.loss, whole.loss)
    assert joined.barrier == whole.barrier
    assert joined.num_evaluations == sum(p.num_evaluations for p in parts)


def test_settings_that_differ_come_first(tmp_path):
    minima = [
        Minimum(
            name=str(size),
            path=tmp_path,
            is_shared=True,
            settings={"seed": 0, "optimizer": {"rate": 0.1}, "batch": size},
        )
        for size in (4, 8)
    ]
    frame = settings_side_by_side(minima)
    assert list(frame.index) == ["batch", "seed", "optimizer: rate"]
    assert list(frame.loc["batch"]) == ["4", "8"]


def test_layers_side_by_side(model_files):
    minima = [
        Minimum(name=name, path=model_files[name], is_shared=False)
        for name in ("first", "wide")
    ]
    frame = layers_side_by_side(minima)
    differ = frame[frame["first"] != frame["wide"]]
    assert "Dense, 16 × 3" in set(differ["first"])
    assert "Dense, 16 × 4" in set(differ["wide"])


def test_the_archive_holds_what_made_the_figure(model_files):
    minimum = Minimum(name="first", path=model_files["first"], is_shared=False)
    request = Interpolate(
        minima=(minimum, minimum), data=DataChoice(), num_points=9
    )
    frame = table([], [])
    rows = relative(
        frame.reindex(["first"]).fillna(2.0), "first", {"first": "first"}
    )
    chart = relative_chart(rows, reference="first", groups=["first"])
    recipe = computed([request], [None])
    content = zip_bytes(chart, rows, recipe, {"view": "Between"})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.read("figure.svg").decode() == to_svg(chart)
        assert archive.read("figure.png").startswith(b"\x89PNG")
        assert archive.read("data.csv").startswith(b"minimum,")
        assert b"ks.interpolate" in archive.read("figure.py")
        settings = json.loads(archive.read("settings.json"))
    (computation,) = settings["computations"]
    assert computation["models"][0]["sha256"] == minimum.sha256
    assert computation["settings"]["num_points"] == 9
    assert settings["address"] == {"view": "Between"}
    assert settings["versions"]["keras"] == keras.__version__
    # The place of a dropped file is nobody's business.
    assert str(minimum.path.parent).encode() not in content


def test_installed_sets_are_found_by_their_folders(tmp_path, monkeypatch):
    for name in ("emnist/letters/3.1.0", "mnist/3.0.1"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert installed_sets() == [
        "mnist_5k",
        "patches",
        "emnist/letters",
        "mnist",
    ]


@pytest.mark.parametrize("name", ["mnist_5k", "patches"])
def test_the_shipped_sets_are_those_of_the_package(name):
    here = DataChoice(name).load()
    there = data.load(name, download=False)
    for name in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    assert here.num_classes == there.num_classes
