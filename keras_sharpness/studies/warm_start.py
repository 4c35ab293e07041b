"""Large-batch trainings that start from the end of small-batch ones."""

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

_QUESTION = (
    "How many epochs with a small batch does it take until a large batch, "
    "started from there with a fresh optimizer, ends in a flat minimum? "
    "(Keskar et al. 2017, Figure 5)"
)


def warm_start(
    build_model: Callable[[], keras.Model],
    data: SampleData,
    *,
    small_batch: int,
    large_batch: int,
    out: str | os.PathLike,
    small_epochs: Sequence[int] = (0, 1, 3, 10),
    seeds: int | Sequence[int] = 3,
    training: Mapping[str, Any] | None = None,
    plan: MeasurementPlan | None = None,
    name: str | None = None,
    **run: Unpack[RunOptions],
) -> GroupComparison:
    """Trains large batches from where n epochs of small ones have led.

    For every seed and every n a small batch is trained for n epochs from the
    same weights, and a large batch from there on, with an optimizer in its
    first state.

    Args:
        build_model: Callable that returns a built `keras.Model`. Keras' global
            seed is set to the seed before it is called.
        data: `SampleData`.
        small_batch: Int.
        large_batch: Int, larger.
        out: Path of the study's folder.
        small_epochs: Sequence of different ints, the n. The first one is what
            the others are compared with; 0 is the large batch alone.
        seeds: Int, how many, or the seeds themselves.
        training: Dict of arguments of `ks.train` for the large batches, and
            but for `epochs`, `patience` and `stop_loss` for the small ones.
        plan: `MeasurementPlan`. What to measure.
        name: Str. What to call the model in tables and settings.
        **run: As in `Study.run`: `executor`, `workers`, `threads`, `gpus`,
            `ray_address`, `progress`.

    Returns:
        A `GroupComparison`, one group for each n. `report.html` and tables
        are in `out`.

    Raises:
        ValueError: For options or data that do not fit, before any work.
        RunFolderError: If `out` cannot be written, or holds another study.

    Example:

    ```python notest
    import keras_sharpness as ks

    found = ks.studies.warm_start(
        build_model, ks.data.load("mnist_5k"), small_batch=16,
        large_batch=2000, training={"stop_loss": 0.01, "epochs": 2000},
        out="runs/warm-start", workers=2,
    )
    print(found.table())
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, section 4 and
        Figure 5.
    """
    study = warm_start_study(
        build_model,
        data,
        small_batch=small_batch,
        large_batch=large_batch,
        small_epochs=small_epochs,
        seeds=seeds,
        out=out,
        training=training,
        plan=plan,
        name=name,
    )
    study.run(**run)
    return study.comparison()


def warm_start_study(
    build_model: Callable[[], keras.Model],
    data: SampleData,
    *,
    small_batch: int,
    large_batch: int,
    small_epochs: Sequence[int],
    seeds: int | Sequence[int],
    **options: Any,
) -> GroupStudy:
    """The study of `warm_start` that has not been run.

    Args:
        build_model: As in `warm_start`, and so are the others.
        data: `SampleData`.
        small_batch: Int.
        large_batch: Int.
        small_epochs: Sequence of ints.
        seeds: Int, or sequence of ints.
        **options: Further arguments of `Study`.

    Returns:
        A `GroupStudy`.
    """
    arguments.instance("data", data, SampleData, "a ClassificationData")
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
    numbers = _checked_epochs(small_epochs)
    groups = {
        number: f"{number} epochs of batch {small_batch}"
        if number != 1
        else f"1 epoch of batch {small_batch}"
        for number in numbers
    }
    groups = {n: text if n else "no small batch" for n, text in groups.items()}
    members = []
    for seed in checked_seeds(seeds):
        for number, group in groups.items():
            start = None
            if number:
                start = f"seed-{seed}-small-{number}"
                members.append(
                    Member(
                        seed=seed,
                        batch_size=small_batch,
                        training={
                            "epochs": number,
                            "stop_loss": None,
                            "patience": None,
                        },
                        name=start,
                    )
                )
            members.append(
                Member(
                    seed=seed,
                    batch_size=large_batch,
                    labels={GROUP: group, "small_epochs": number},
                    start=start,
                    name=f"seed-{seed}-after-{number}",
                )
            )
    first, *others = groups.values()
    return GroupStudy(
        build_model,
        data,
        members,
        references=dict.fromkeys(others, first),
        title=f"Batch {large_batch} after batch {small_batch}",
        question=_QUESTION,
        kind="warm-start",
        **options,
    )


def _checked_epochs(given: Any) -> list[int]:
    must = "a sequence of different numbers of epochs, one or more"
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise arguments.refuse("small_epochs", given, must, "Pass e.g. (0, 3).")
    numbers = [arguments.integer("small_epochs", n, least=0) for n in given]
    if len(set(numbers)) < len(numbers):
        raise arguments.refuse("small_epochs", given, must)
    return numbers
