"""Small-batch against large-batch training, from one start, end to end."""

import os
import pathlib
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.data import SampleData
from keras_sharpness.data.digest import digest_data
from keras_sharpness.fingerprint.architecture import unnumbered_name
from keras_sharpness.fingerprint.code_digest import described_code
from keras_sharpness.fingerprint.descriptions import (
    describe_model,
)
from keras_sharpness.landscape import interpolate
from keras_sharpness.metrics.fingerprint import describe_objective_loss
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.progress import check_progress
from keras_sharpness.runs import RunFolder, StudyFolder
from keras_sharpness.runs.errors import NotWritableError
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
    data: SampleData,
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
        data: `SampleData`, e.g. `ClassificationData`: training and test
            arrays.
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
    arguments.instance("data", data, SampleData, "a ClassificationData")
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
    objective = Target(model, data, plan, loss=loss).train
    study_settings = {
        "study": "compare",
        "model": name or _name_in(pathlib.Path(out), model),
        "num_weights": WeightLayout(model).size,
        "data": data.name,
        "num_train": len(data.x_train),
        "num_test": len(data.x_test),
        "small_batch": small_batch,
        "large_batch": large_batch,
        "epochs": epochs,
        "patience": patience,
        "optimizer": optimizer_settings,
        "fingerprint": {
            "data": digest_data(data),
            "architecture": describe_model(model),
            "loss": describe_objective_loss(objective),
            "optimizer": _own_code(optimizer),
        },
    }
    study = _opened(pathlib.Path(out), study_settings)
    if "fingerprint" not in study.settings:
        warnings.warn(
            f"{out} was made by a version that kept no digest of data, layers "
            "and loss, so whether they are those of this call cannot be told. "
            "If in doubt, pass another folder (`--out`).",
            UserWarning,
            stacklevel=2,
        )
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
                    folder=_run(
                        study,
                        f"seed-{seed}-batch-{batch_size}",
                        {
                            **study_settings,
                            "seed": seed,
                            "batch": kind,
                            "batch_size": batch_size,
                        },
                    ),
                )
                if not member.folder.is_finished:
                    _check_writable(study)
                    for path in PATHS:
                        study.remove(pair_name(path, seed))
                member.train(bars)
                if not member.is_measured:
                    _check_writable(study)
                member.measure(bars)
                pair[kind] = member
            _interpolate(study, seed, pair, bars)
            pairs.append((seed, pair))
    comparison = collect(study, pairs, plan, study_settings)
    if study.is_writable:
        write_comparison(study, comparison, pairs)
    return comparison


def _opened(out: pathlib.Path, settings: dict[str, Any]) -> StudyFolder:
    """The study for writing, or one that is there and can be read only."""
    try:
        return StudyFolder.create_or_open(out, settings)
    except NotWritableError:
        if not (out / "study.json").is_file():
            raise
        return StudyFolder.open(out, settings)


def _run(study: StudyFolder, name: str, settings: dict[str, Any]) -> RunFolder:
    path = study.path_of(name)
    try:
        if study.is_writable or not path.exists():
            return study.run(name, settings)
    except NotWritableError:
        if not (path / "run.json").is_file():
            _check_writable(study)
            raise
    return RunFolder.open(path, settings)


def _check_writable(study: StudyFolder) -> None:
    if not study.is_writable:
        raise NotWritableError(
            f"{study.path} cannot be written to, and is not finished. Copy it "
            "to a folder that can, and pass that one (`--out`)."
        )


def _name_in(out: pathlib.Path, model: keras.Model) -> str:
    """What the study calls the model, however often Keras numbers it anew."""
    name = unnumbered_name(model)
    if (out / "study.json").is_file():
        stored = str(StudyFolder.open(out).settings.get("model"))
        # As an earlier version kept it: `sequential_5`.
        if re.fullmatch(rf"{re.escape(name)}(_\d+)?", stored):
            return stored
    return name


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
        _check_writable(study)
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


def _own_code(optimizer: str | keras.optimizers.Optimizer) -> dict[str, str]:
    """What an optimizer and a schedule of the user's own do."""
    optimizer = keras.optimizers.get(optimizer)
    rate = getattr(optimizer, "_learning_rate", None)
    return described_code(type(optimizer), type(rate))


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
