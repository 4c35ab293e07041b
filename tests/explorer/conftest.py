"""Studies for the explorer: a real one, made once, and what became of it."""

import os
import pathlib
import shutil

import keras
import numpy as np
import pytest

import keras_sharpness as ks

APP = pathlib.Path(__file__).parents[2] / "explorer" / "app.py"


def build_model():
    layers = [keras.Input((2,)), keras.layers.Dense(2)]
    model = keras.Sequential(layers, name="straight_cut")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss)
    return model


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished study: two seeds, all measurements."""
    x = np.random.default_rng(0).standard_normal((60, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    folder = tmp_path_factory.mktemp("explorer") / "finished"
    ks.studies.compare(
        build_model,
        ks.data.ClassificationData(
            name="half_plane",
            x_train=x[:40],
            y_train=y[:40],
            x_test=x[40:],
            y_test=y[40:],
            num_classes=2,
            source="made here",
        ),
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
