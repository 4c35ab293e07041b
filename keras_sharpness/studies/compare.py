"""Small-batch against large-batch training, from one start, end to end."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_sharpness import arguments
from keras_sharpness.data import SampleData
from keras_sharpness.landscape import interpolate
from keras_sharpness.metrics import Objective
from keras_sharpness.progress import check_progress
from keras_sharpness.runs import StudyFolder
from keras_sharpness.studies.collection import collect
from keras_sharpness.studies.comparison import Comparison
from keras_sharpness.studies.descriptions import (
    optimizer_code,
    optimizer_settings,
)
from keras_sharpness.studies.executors.here import run_here
from keras_sharpness.studies.measurement import MeasurementPlan
from keras_sharpness.studies.member import Member, checked_seeds
from keras_sharpness.studies.member_run import MemberRun
from keras_sharpness.studies.opening import check_writable
from keras_sharpness.studies.pairs import PATHS, pair_name
from keras_sharpness.studies.progress import StudyProgress
from keras_sharpness.studies.report import write_comparison
from keras_sharpness.studies.study import Study

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
    arguments.function("build_model", build_model, "that returns a keras.Model")
    arguments.instance("data", data, SampleData, "a ClassificationData")
    check_progress(progress)
    seeds = checked_seeds(seeds)
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
    sizes = dict(zip(_KINDS, (small_batch, large_batch), strict=True))
    study = _PairedStudy(
        build_model,
        data,
        [
            Member(
                seed=seed,
                batch_size=size,
                labels={"batch": kind},
                name=f"seed-{seed}-batch-{size}",
            )
            for seed in seeds
            for kind, size in sizes.items()
        ],
        out=out,
        plan=plan,
        training={
            "epochs": epochs,
            "patience": patience,
            "optimizer": optimizer,
            "loss": loss,
        },
        name=name,
        sizes=sizes,
    )
    folder = study.prepare()
    if "fingerprint" not in folder.settings:
        warnings.warn(
            f"{out} was made by a version that kept no digest of data, layers "
            "and loss, so whether they are those of this call cannot be told. "
            "If in doubt, pass another folder (`--out`).",
            UserWarning,
            stacklevel=2,
        )
    pairs = study.run_pairs(folder, seeds, progress=progress)
    comparison = collect(folder, pairs, study.work)
    if folder.is_writable:
        write_comparison(folder, comparison, pairs)
    return comparison


class _PairedStudy(Study):
    """Members in pairs, with what lies between the two of a pair."""

    def __init__(self, *args: Any, sizes: dict[str, int], **options: Any):
        self._sizes = sizes
        super().__init__(*args, kind="compare", **options)

    def describe(
        self, model: keras.Model, objective: Objective
    ) -> dict[str, Any]:
        """As every version of the package has described a comparison."""
        found = super().describe(model, objective)
        training = found.pop("training")
        fingerprint = dict(found.pop("fingerprint"))
        del fingerprint["training"]
        optimizer = self.work_training["optimizer"]
        return {
            **found,
            "small_batch": self._sizes["small"],
            "large_batch": self._sizes["large"],
            "epochs": training["epochs"],
            "patience": training["patience"],
            "optimizer": optimizer_settings(optimizer),
            "fingerprint": {
                **fingerprint,
                "optimizer": optimizer_code(optimizer),
            },
        }

    def run_pairs(
        self, folder: StudyFolder, seeds: list[int], *, progress: bool
    ) -> list[tuple[int, dict[str, MemberRun]]]:
        """Runs all members, and interpolates between those of each seed."""
        unfinished = self.unfinished()
        runs = [MemberRun.open(self.work, m) for m in self.members]
        steps = 1 + len(self.work.plan.names())
        total = len(runs) * steps + len(seeds) * len(PATHS)
        with StudyProgress(total, show=progress) as bars:
            bars.skip(steps * (len(runs) - len(unfinished)))
            if unfinished:
                check_writable(folder)
            for member, run in zip(self.members, runs, strict=True):
                if run is None or not run.folder.is_finished:
                    for path in PATHS:
                        folder.remove(pair_name(path, member.seed))
            run_here(self.work, unfinished, bars, keep_going=False)
            pairs = []
            for seed in seeds:
                pair = {
                    m.labels["batch"]: MemberRun.open(self.work, m)
                    for m in self.members
                    if m.seed == seed
                }
                _interpolate(folder, seed, pair, bars)
                pairs.append((seed, pair))
        return pairs


def _interpolate(
    study: StudyFolder,
    seed: int,
    pair: dict[str, MemberRun],
    bars: StudyProgress,
) -> None:
    plan = pair["small"].work.plan
    settings = {
        **plan.settings("evaluation"),
        "runs": [pair[kind].folder.name for kind in _KINDS],
    }
    for path in PATHS:
        name = pair_name(path, seed)
        if study.has(name, settings):
            bars.skip()
            continue
        check_writable(study)
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
