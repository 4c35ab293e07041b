"""Makes the pair of minima that ships with the explorer.

A small and a large-batch minimum of a narrow network on `mnist_5k`, as a
study of `keras-sharpness compare` with one seed, and what the first pages
show of it. Takes a few minutes: `python explorer/make_demo.py`.
"""

import dataclasses
import os
import pathlib
import shutil
import tempfile
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from work.around import Around, Bundle, Surface
from work.jobs import Job
from work.source import DEMO, study_source

import keras_sharpness as ks
from keras_sharpness import callbacks
from keras_sharpness.runs import RunFolder, StudyFolder
from keras_sharpness.studies import Comparison, MeasurementPlan
from keras_sharpness.studies.measurement import Target
from keras_sharpness.studies.member import build_from_seed

SMALL, LARGE, EPOCHS = 16, 400, 60
# Of each training: few, so that the files stay small.
NUM_CHECKPOINTS = 7
NUM_SAMPLES = 1000
PLAN = MeasurementPlan(
    num_samples=NUM_SAMPLES, subspace_dim=None, num_eigenvalues=3
)


def build_model() -> keras.Model:
    """A network of a few thousand weights: its pages answer at once."""
    model = keras.Sequential(name="narrow")
    model.add(keras.Input((28, 28, 1)))
    model.add(keras.layers.AveragePooling2D(2))
    model.add(keras.layers.Flatten())
    for _ in range(2):
        model.add(keras.layers.Dense(20, use_bias=False))
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.ReLU())
    model.add(keras.layers.Dense(10))
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main() -> None:
    """Makes the pair anew in the place of the old one."""
    # The one that is there stays until the new one is whole.
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, DEMO.name)
        make(path)
        shutil.rmtree(DEMO, ignore_errors=True)
        shutil.copytree(path, DEMO)
    size = sum(f.stat().st_size for f in DEMO.rglob("*") if f.is_file())
    print(f"{DEMO}: {size / 1000:.0f} kB")


def make(path: pathlib.Path) -> None:
    """Trains and measures the pair in a folder."""
    data = ks.data.load("mnist_5k")
    ks.studies.compare(
        build_model,
        data,
        small_batch=SMALL,
        large_batch=LARGE,
        epochs=EPOCHS,
        seeds=1,
        plan=PLAN,
        name="narrow",
        out=path,
    )
    study = StudyFolder.create_or_open(path, StudyFolder.open(path).settings)
    for found in study.runs():
        with study.run(found.name, found.settings) as run:
            watch_training(run, data)
            add_measurements(run, data)
            shrink(run)
    add_surfaces(path)
    for name in ("report.html", "table.csv"):
        study.path_of(name).unlink(missing_ok=True)
    outcome = path / "comparison.json"
    comparison = Comparison.load(outcome)
    # Not where it happened to be made.
    dataclasses.replace(comparison, folder=DEMO.name).save(outcome)


def watch_training(run: RunFolder, data: ks.data.ClassificationData) -> None:
    """Trains once more, alike, with callbacks that look at the sharpness."""
    seed, batch_size = run.settings["seed"], run.settings["batch_size"]
    model = build_from_seed(build_model, seed)
    model.load_weights(run.initial_weights_path)
    samples = data.x_train[:NUM_SAMPLES], data.y_train[:NUM_SAMPLES]
    num_updates = EPOCHS * len(data.x_train) // batch_size
    history = ks.train(
        model,
        data.x_train,
        data.y_train,
        batch_size=batch_size,
        epochs=EPOCHS,
        optimizer="adam",
        validation_data=(data.x_test, data.y_test),
        seed=seed,
        callbacks=[
            callbacks.EpsilonSharpness(*samples),
            callbacks.HessianEigenvalues(*samples),
            callbacks.WeightTrajectory(
                run.path / "trajectory",
                frequency=num_updates // NUM_CHECKPOINTS,
            ),
        ],
    )
    for kept, seen in zip(
        run.load_model().get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(kept, seen)
    run.save_history(history)


def add_surfaces(path: pathlib.Path) -> None:
    """What the page around a minimum shows before anything is computed."""
    source = study_source("demo pair", path)
    study = StudyFolder.create_or_open(path, source.folder.settings)
    for minimum in source.minima:
        with study.run(minimum.run.name, minimum.run.settings) as run:
            for request in (
                Surface(minima=(minimum,), data=source.data),
                Surface(
                    minima=(minimum,),
                    data=source.data,
                    plane="trajectory",
                    trajectory=str(minimum.trajectory),
                ),
                Bundle(minima=(minimum,), data=source.data),
            ):
                keep(request, run)


def keep(request: Around, run: RunFolder) -> None:
    """Computes as the page does, and writes it where the page looks."""

    def work(job: Job) -> None:
        result = request.run(job)
        name, settings = request.stored_name, request.stored_settings()
        if isinstance(request, Surface):
            if result.trajectory is not None:
                run.write(f"{name}-trajectory", result.trajectory, settings)
            result = result.surface
        run.write(name, result, settings)

    with tempfile.TemporaryDirectory() as folder:
        job = Job((), request.title, work, pathlib.Path(folder))
        job.run()
    if job.state != "done":
        raise RuntimeError(job.message)


def add_measurements(run: RunFolder, data: ks.data.ClassificationData) -> None:
    """What a study does not take, but the pages show."""
    objective = Target(run.load_model(), data, PLAN).train
    asked = {"num_probes": 100, "seed": 0}
    run.write("hessian_trace", ks.hessian_trace(objective, **asked), asked)
    asked = {"num_probes": 10, "num_steps": 60, "seed": 0}
    density = ks.spectral_density(objective, grid_size=1000, **asked)
    run.write("spectral_density", density, asked)


def shrink(run: RunFolder) -> None:
    """Leaves out the optimizer's state, and compresses the rest."""
    model = run.load_model()
    model.save(run.model_path, include_optimizer=False)
    # Keras stores without compression, and half of an HDF5 file is empty.
    with zipfile.ZipFile(run.model_path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(
        run.model_path, "w", zipfile.ZIP_DEFLATED, compresslevel=9
    ) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    run.initial_weights_path.unlink()


if __name__ == "__main__":
    main()
