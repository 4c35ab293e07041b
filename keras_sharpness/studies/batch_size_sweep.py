"""Trainings with many batch sizes, from one start for each seed."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_sharpness import arguments
from keras_sharpness.data import SampleData
from keras_sharpness.studies.executors import ExecutorName
from keras_sharpness.studies.measurement import MeasurementPlan
from keras_sharpness.studies.member import (
    Member,
    checked_seeds,
    checked_sizes,
)
from keras_sharpness.studies.study import Study
from keras_sharpness.studies.sweep_report import write_sweep
from keras_sharpness.studies.sweep_result import BatchSizeSweep


def batch_size_sweep(
    build_model: Callable[[], keras.Model],
    data: SampleData,
    *,
    batch_sizes: Sequence[int],
    out: str | os.PathLike,
    seeds: int | Sequence[int] = 3,
    training: Mapping[str, Any] | None = None,
    plan: MeasurementPlan | None = None,
    name: str | None = None,
    executor: ExecutorName | None = None,
    workers: int = 1,
    threads: int | None = None,
    gpus: float = 0.0,
    ray_address: str | None = None,
    progress: bool = True,
) -> BatchSizeSweep:
    """Trains with many batch sizes, and measures how the minima differ.

    For every seed all trainings start from the same weights. Minima compare at
    an equal training loss: `training={"stop_loss": 0.01, "epochs": 2000}`
    ends every training there, and those that do not reach it are left out of
    the comparison, and counted. The same call again goes on with what was
    interrupted and reads what is finished; more batch sizes and seeds may be
    asked for later.

    Args:
        build_model: Callable that returns a built `keras.Model`. Keras' global
            seed is set to the seed before it is called.
        data: `SampleData`, e.g. `ClassificationData`.
        batch_sizes: Sequence of ints from 1 to the number of samples.
        out: Path of the study's folder.
        seeds: Int, how many, or the seeds themselves.
        training: Dict of arguments of `ks.train` for all trainings, e.g.
            `{"optimizer": keras.optimizers.SGD(0.02), "stop_loss": 0.01}`.
        plan: `MeasurementPlan`. What to measure.
        name: Str. What to call the model in tables and settings.
        executor: Str. As in `Study.run`, and so are the next four.
        workers: Int.
        threads: Int.
        gpus: Float.
        ray_address: Str.
        progress: Bool. Whether to show progress on standard error.

    Returns:
        A `BatchSizeSweep`. `report.html`, `table.csv`, `table.md` and
        `table.tex` are in `out`.

    Raises:
        ValueError: For options or data that do not fit, before any work.
        RunFolderError: If `out` cannot be written, or holds another study.

    Example:

    ```python
    import tempfile

    import keras
    import keras_sharpness as ks
    import numpy as np

    def build_model():
        layers = [keras.Input((2,)), keras.layers.Dense(2)]
        model = keras.Sequential(layers)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(loss=loss)
        return model

    x = np.random.default_rng(0).standard_normal((60, 2))
    y = (x[:, 0] > 0).astype(int)
    data = ks.data.ClassificationData(
        name="half-plane", x_train=x[:40], y_train=y[:40], x_test=x[40:],
        y_test=y[40:], num_classes=2, source="made here",
    )
    plan = ks.studies.MeasurementPlan(subspace_dim=None, num_eigenvalues=1)
    with tempfile.TemporaryDirectory() as folder:
        sweep = ks.studies.batch_size_sweep(
            build_model, data, batch_sizes=(4, 20, 40), seeds=1, plan=plan,
            training={"epochs": 2, "optimizer": "sgd"}, out=folder,
            progress=False,
        )
    for sentence in sweep.summary():
        print(sentence)
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Figure 4.
    """
    study = sweep_study(
        build_model,
        data,
        batch_sizes=batch_sizes,
        out=out,
        seeds=seeds,
        training=training,
        plan=plan,
        name=name,
    )
    study.run(
        executor=executor,
        workers=workers,
        threads=threads,
        gpus=gpus,
        ray_address=ray_address,
        progress=progress,
    )
    return sweep_result(study)


def sweep_study(
    build_model: Callable[[], keras.Model],
    data: SampleData,
    *,
    batch_sizes: Sequence[int],
    seeds: int | Sequence[int],
    **options: Any,
) -> Study:
    """The sweep as a study that has not been run.

    Args:
        build_model: As in `batch_size_sweep`, and so are the others.
        data: `SampleData`.
        batch_sizes: Sequence of ints.
        seeds: Int, or sequence of ints.
        **options: Further arguments of `Study`.

    Returns:
        A `Study`.

    Raises:
        ValueError: For options or data that do not fit.
    """
    arguments.instance("data", data, SampleData, "a ClassificationData")
    sizes = checked_sizes(batch_sizes, len(data.x_train))
    members = [
        Member(seed=seed, batch_size=size)
        for seed in checked_seeds(seeds)
        for size in sizes
    ]
    return Study(build_model, data, members, kind="sweep", **options)


def sweep_result(study: Study) -> BatchSizeSweep:
    """What a sweep has found so far, with its report and tables written.

    Args:
        study: The `Study`, prepared.

    Returns:
        A `BatchSizeSweep`.
    """
    found = study.result()
    sweep = BatchSizeSweep(
        **{f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
    )
    if study.folder.is_writable and sweep.rows:
        write_sweep(study.folder, sweep)
    return sweep
