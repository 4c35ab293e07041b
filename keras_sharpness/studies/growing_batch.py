"""Batches that grow, beside batches that stay as they are."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import keras

from keras_sharpness import arguments
from keras_sharpness.data import SampleData
from keras_sharpness.studies.group_result import GROUP, GroupComparison
from keras_sharpness.studies.group_study import GroupStudy
from keras_sharpness.studies.measurement import MeasurementPlan
from keras_sharpness.studies.member import Member, checked_seeds
from keras_sharpness.studies.study import RunOptions
from keras_sharpness.training.schedules.schedule import BatchSizeSchedule

_QUESTION = (
    "Does a batch that grows end in a minimum as flat as the small batch's, "
    "with fewer updates? (Smith et al. 2018)"
)


def growing_batch(
    build_model: Callable[[], keras.Model],
    data: SampleData,
    *,
    schedules: Mapping[str, int | BatchSizeSchedule],
    out: str | os.PathLike,
    seeds: int | Sequence[int] = 3,
    training: Mapping[str, Any] | None = None,
    plan: MeasurementPlan | None = None,
    name: str | None = None,
    **run: Unpack[RunOptions],
) -> GroupComparison:
    """Trains with batches that grow and with batches that do not.

    Args:
        build_model: Callable that returns a built `keras.Model`. Keras' global
            seed is set to the seed before it is called.
        data: `SampleData`.
        schedules: Mapping from the name of a group to a batch size, or a
            schedule of it as in `ks.train`. The first is what the others are
            compared with.
        out: Path of the study's folder.
        seeds: Int, how many, or the seeds themselves.
        training: Dict of arguments of `ks.train` for all trainings.
        plan: `MeasurementPlan`. What to measure.
        name: Str. What to call the model in tables and settings.
        **run: As in `Study.run`: `executor`, `workers`, `threads`, `gpus`,
            `ray_address`, `progress`.

    Returns:
        A `GroupComparison`. `report.html` and tables are in `out`.

    Raises:
        ValueError: For options or data that do not fit, before any work.
        RunFolderError: If `out` cannot be written, or holds another study.

    Example:

    ```python notest
    import keras_sharpness as ks

    found = ks.studies.growing_batch(
        build_model,
        ks.data.load("mnist_5k"),
        schedules={
            "batch 16": 16,
            "batch 4000": 4000,
            "grown": ks.training.GrowAt({4: 64, 8: 256}, initial=16),
        },
        training={"stop_loss": 0.01, "epochs": 2000},
        out="runs/grow",
    )
    print(found.table())
    ```

    Reference:
        Smith et al. 2018, https://arxiv.org/abs/1711.00489.
    """
    study = growing_batch_study(
        build_model,
        data,
        schedules=schedules,
        seeds=seeds,
        out=out,
        training=training,
        plan=plan,
        name=name,
    )
    study.run(**run)
    return study.comparison()


def growing_batch_study(
    build_model: Callable[[], keras.Model],
    data: SampleData,
    *,
    schedules: Mapping[str, int | BatchSizeSchedule],
    seeds: int | Sequence[int],
    **options: Any,
) -> GroupStudy:
    """The study of `growing_batch` that has not been run.

    Args:
        build_model: As in `growing_batch`, and so are the others.
        data: `SampleData`.
        schedules: Mapping.
        seeds: Int, or sequence of ints.
        **options: Further arguments of `Study`.

    Returns:
        A `GroupStudy`.
    """
    arguments.instance("data", data, SampleData, "a ClassificationData")
    must = "a dict from names to batch sizes or schedules, two or more"
    arguments.instance("schedules", schedules, Mapping, must)
    if len(schedules) < 2:
        raise arguments.refuse("schedules", schedules, must)
    most = len(data.x_train)
    for size in schedules.values():
        if not isinstance(size, BatchSizeSchedule):
            arguments.integer(
                "schedules",
                size,
                least=1,
                most=most,
                remedy=f"There are {most} training samples.",
            )
    members = [
        Member(
            seed=seed,
            batch_size=size,
            labels={GROUP: group},
            name=f"seed-{seed}-{number}-{_in_a_name(group)}",
        )
        for seed in checked_seeds(seeds)
        for number, (group, size) in enumerate(schedules.items())
    ]
    first, *others = schedules
    return GroupStudy(
        build_model,
        data,
        members,
        references=dict.fromkeys(others, first),
        title="Growing batches",
        question=_QUESTION,
        kind="grow",
        **options,
    )


def _in_a_name(group: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "_" for c in group)
