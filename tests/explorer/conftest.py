"""Studies and model files for the explorer, made once."""

import os
import pathlib
import shutil
import sys

import keras
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import keras_sharpness as ks

EXPLORER = pathlib.Path(__file__).parents[2] / "explorer"
APP = EXPLORER / "app.py"
# As `streamlit run` does: the app's own modules are found beside it.
sys.path.insert(0, str(EXPLORER))


def build_model():
    layers = [keras.Input((2,)), keras.layers.Dense(2)]
    model = keras.Sequential(layers, name="straight_cut")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    return model


def half_plane():
    x = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    return ks.data.ClassificationData(
        name="half_plane",
        x_train=x[:40],
        y_train=y[:40],
        x_test=x[40:],
        y_test=y[40:],
        num_classes=2,
        source="made here",
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished study: two seeds, all measurements."""
    folder = tmp_path_factory.mktemp("explorer") / "finished"
    ks.studies.compare(
        build_model,
        half_plane(),
        small_batch=4,
        large_batch=40,
        epochs=3,
        seeds=2,
        plan=ks.studies.MeasurementPlan(subspace_dim=2, num_eigenvalues=1),
        out=folder,
        progress=False,
    )
    return folder


@pytest.fixture
def runs(tmp_path):
    """An empty folder for studies."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def add_study(runs, finished):
    """Puts a copy of the finished study below `runs`, later ones newer."""
    ages = iter(range(1_000_000, 2_000_000))

    def add(name):
        path = shutil.copytree(finished, runs / name)
        age = next(ages)
        os.utime(path / "study.json", (age, age))
        return path

    return add


@pytest.fixture
def opened(runs, monkeypatch):
    """Opens the explorer at an address."""

    def open_app(*arguments, theme="light", **query):
        arguments = arguments or ("--runs", str(runs))
        monkeypatch.setattr(sys, "argv", [str(APP), *arguments])
        # Of the first run: it imports what the app needs.
        app = AppTest.from_file(str(APP), default_timeout=60)
        app.context["theme"] = theme
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return open_app


@pytest.fixture(scope="session")
def model_files(tmp_path_factory):
    """Two models for mnist_5k of one architecture, and one of another."""
    folder = tmp_path_factory.mktemp("models")
    paths = {}
    kinds = {"first": (3, 0), "second": (3, 1), "wide": (4, 0)}
    for name, (units, seed) in kinds.items():
        keras.utils.set_random_seed(seed)
        layers = [
            keras.Input((28, 28, 1)),
            keras.layers.AveragePooling2D(7),
            keras.layers.Flatten(),
            keras.layers.Dense(units, "tanh"),
            keras.layers.Dense(10),
        ]
        paths[name] = folder / f"{name}.keras"
        keras.Sequential(layers, name=name).save(paths[name])
    return paths


@pytest.fixture
def session():
    """What one reader has dropped and computed."""
    from work.session import Session

    session = Session()
    yield session
    session.close()
