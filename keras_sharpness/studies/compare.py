"""Small-batch against large-batch training, from one start, end to end."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.data import ClassificationData
from keras_sharpness.landscape import interpolate
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.progress import check_progress
from keras_sharpness.runs import StudyFolder
from keras_sharpness.studies.collection import collect
from keras_sharpness.studies.comparison import Comparison
from keras_sharpness.studies.measurement import MeasurementPlan, Target
from keras_sharpness.studies.member import Member, build_from_seed
from keras_sharpness.studies.pairs import PATHS, pair_name
from keras_sharpness.studies.progress import StudyProgress
from keras_sharpness.studies.report import write_comparison
from keras_sharpness.training.compiling import keras_optimizer

_KINDS = ("small", "large")


def compare(
    build_model: Callable[[], keras.Model],
    data: ClassificationData,
    *,
    small_batch: int,
    large_batch: int,
    out: str | os.PathLike,
    epochs: int = 20,
    patience: int | None = None,
    seeds: int | Sequence[int] = 3,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    loss: Any = None,
    plan: MeasurementPlan | None = None,
    name: str | None = None,
    progress: bool = True,
) -> Comparison:
    """Trains with small and with large batches, measures and compares.

    For every seed, `build_model` is called once and both trainings start from
    its weights. Of each minimum the loss, the accuracy, the ε-sharpness and
    the largest Hessian eigenvalues are measured, and loss and accuracy along
    the line and the curve between the two. The same call again continues what
    was interrupted and reads what is finished.

    Args:
        build_model: Callable that returns a built `keras.Model`. Keras' global
            seed is set to the seed before it is called.
        data: `ClassificationData`, training and test arrays.
        small_batch: Int.
        large_batch: Int.
        out: Path of the study's folder.
        epochs: Int. At the most, for either batch size.
        patience: Int. Stop when the training loss has not improved for as
            many epochs (the paper's rule); by default all epochs are trained.
        seeds: Int, how many, or the seeds themselves.
        optimizer: Str or `keras.optimizers.Optimizer`, for both.
        loss: As in `keras.Model.compile`, for a model that is not compiled.
        plan: `MeasurementPlan`. What to measure.
        name: Str. What to call the model in tables and settings.
        progress: Bool. Whether to show progress on standard error.

    Returns:
        A `Comparison`. `report.html` and `table.csv` are in `out`.

    Raises:
        ValueError: For options or data that do not fit.
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
    with tempfile.TemporaryDirectory() as folder:
        comparison = ks.studies.compare(
            build_model, data, small_batch=4, large_batch=40, epochs=3,
            seeds=1, plan=ks.studies.MeasurementPlan(subspace_dim=2),
            out=folder, progress=False,
        )
    print(comparison.summary())
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, sections 2.2
        and 2.3.
    """
    plan = MeasurementPlan() if plan is None else plan
    arguments.function("build_model", build_model, "that returns a keras.Model")
    arguments.instance("plan", plan, MeasurementPlan, "a MeasurementPlan")
    arguments.instance("data", data, ClassificationData, "a ClassificationData")
    arguments.text("name", name, optional=True)
    check_progress(progress)
    seeds = _checked_seeds(seeds)
    most = len(data.x_train)
    large_batch = arguments.integer(
        "large_batch",
        large_batch,
        least=2,
        most=most,
        remedy=f"There are {most} training samples.",
    )
    small_batch = arguments.integer(
        "small_batch",
        small_batch,
        least=1,
        most=large_batch - 1,
        remedy="It must be smaller than `large_batch`.",
    )
    epochs = arguments.integer("epochs", epochs, least=1)
    patience = arguments.integer("patience", patience, least=1, optional=True)
    out = arguments.path("out", out)
    optimizer_settings = _settings_of(optimizer)
    model = build_from_seed(build_model, seeds[0])
    # Refuses what cannot be measured before the first file is written.
    Target(model, data, plan, loss=loss)
    study_settings = {
        "study": "compare",
        "model": name or model.name,
        "num_weights": WeightLayout(model).size,
        "data": data.name,
        "num_train": len(data.x_train),
        "num_test": len(data.x_test),
        "small_batch": small_batch,
        "large_batch": large_batch,
        "epochs": epochs,
        "patience": patience,
        "optimizer": optimizer_settings,
    }
    study = StudyFolder.create_or_open(out, study_settings)
    sizes = dict(zip(_KINDS, (small_batch, large_batch), strict=True))
    per_run = 1 + len(plan.names())
    total = len(seeds) * (len(sizes) * per_run + len(PATHS))
    pairs = []
    with StudyProgress(total, show=progress) as bars:
        for seed in seeds:
            pair = {}
            for kind, batch_size in sizes.items():
                member = Member(
                    build_model=build_model,
                    data=data,
                    seed=seed,
                    kind=kind,
                    batch_size=batch_size,
                    epochs=epochs,
                    patience=patience,
                    optimizer=optimizer,
                    loss=loss,
                    plan=plan,
                    folder=study.run(
                        f"seed-{seed}-batch-{batch_size}",
                        {
                            **study_settings,
                            "seed": seed,
                            "batch": kind,
                            "batch_size": batch_size,
                        },
                    ),
                )
                member.train(bars)
                member.measure(bars)
                pair[kind] = member
            _interpolate(study, seed, pair, bars)
            pairs.append((seed, pair))
    comparison = collect(study, pairs, plan, study_settings)
    write_comparison(study, comparison, pairs)
    return comparison


def _interpolate(
    study: StudyFolder,
    seed: int,
    pair: dict[str, Member],
    bars: StudyProgress,
) -> None:
    plan = pair["small"].plan
    settings = {
        **plan.settings("evaluation"),
        "runs": [pair[kind].folder.name for kind in _KINDS],
    }
    for path in PATHS:
        name = pair_name(path, seed)
        if study.has(name, settings):
            bars.skip()
            continue
        with bars.step(f"{path} interpolation, seed {seed}") as report:
            small, large = (pair[kind].target() for kind in _KINDS)
            line = interpolate(
                {"train": small.train, "test": small.test},
                small.train.model,
                large.train.model,
                path=path,
                progress=report,
            )
            study.write(name, line, settings)


def _settings_of(
    optimizer: str | keras.optimizers.Optimizer,
) -> dict[str, Any]:
    """The optimizer's class and configuration in JSON's types."""
    optimizer = keras_optimizer(optimizer)
    config = optimizer.get_config()
    # Keras numbers the instances it makes: "adam_7" is no setting.
    config.pop("name", None)
    return {
        "class_name": type(optimizer).__name__,
        "config": {key: _plain(value) for key, value in config.items()},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return keras.saving.serialize_keras_object(value)
    return value.item() if isinstance(value, np.generic) else value


def _checked_seeds(seeds: Any) -> list[int]:
    """The seeds, or the first so many."""
    if not isinstance(seeds, list | tuple | range) and not np.ndim(seeds):
        return list(range(arguments.integer("seeds", seeds, least=1)))
    found = [arguments.seed(seed, "seeds") for seed in seeds]
    if not found or len(set(found)) != len(found):
        raise arguments.refuse("seeds", seeds, "one seed or more, each once")
    return found
