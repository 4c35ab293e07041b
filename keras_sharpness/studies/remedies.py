"""What helps against the sharp minima of large batches."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import keras

from keras_sharpness import arguments
from keras_sharpness.data import SampleData
from keras_sharpness.studies.descriptions import checked_training
from keras_sharpness.studies.group_result import GROUP, GroupComparison
from keras_sharpness.studies.group_study import GroupStudy
from keras_sharpness.studies.measurement import MeasurementPlan
from keras_sharpness.studies.member import (
    Member,
    checked_seeds,
    checked_sizes,
)
from keras_sharpness.studies.study import RunOptions

_QUESTION = (
    "What does each remedy do to sharpness and accuracy, of a small and of a "
    "large batch? (Keskar et al. 2017, Tables 6 and 7; Foret et al. 2021) "
    "Where trainings end by epochs, a method that takes several gradients of "
    "one batch has as many times fewer epochs: an equal budget of gradients."
)
PLAIN = "plain"


def remedies(
    build_model: Callable[[], keras.Model],
    data: SampleData,
    *,
    batch_sizes: Sequence[int],
    remedies: Mapping[str, Mapping[str, Any]],
    out: str | os.PathLike,
    seeds: int | Sequence[int] = 3,
    training: Mapping[str, Any] | None = None,
    plan: MeasurementPlan | None = None,
    name: str | None = None,
    **run: Unpack[RunOptions],
) -> GroupComparison:
    """Trains plainly and with each remedy, and compares seed by seed.

    Args:
        build_model: Callable that returns a built `keras.Model`. Keras' global
            seed is set to the seed before it is called.
        data: `SampleData`.
        batch_sizes: Sequence of ints, e.g. a small and a large batch. Each
            remedy is compared with the plain training of its batch size.
        remedies: Mapping from the name of a remedy to the arguments of
            `ks.train` that make it, e.g. `{"SAM": {"method":
            ks.training.SharpnessAware()}}`. The plain training is added.
        out: Path of the study's folder.
        seeds: Int, how many, or the seeds themselves.
        training: Dict of arguments of `ks.train` for all trainings. `epochs`
            are those of the plain one; without `stop_loss` a remedy has them
            divided by the gradients that its method takes of a batch.
        plan: `MeasurementPlan`. What to measure.
        name: Str. What to call the model in tables and settings.
        **run: As in `Study.run`: `executor`, `workers`, `threads`, `gpus`,
            `ray_address`, `progress`.

    Returns:
        A `GroupComparison`; its frame has the columns `remedy` and
        `gradients_per_batch`. `report.html` and tables are in `out`.

    Raises:
        ValueError: For options or data that do not fit, before any work.
        RunFolderError: If `out` cannot be written, or holds another study.

    Example:

    ```python notest
    import keras_sharpness as ks

    found = ks.studies.remedies(
        build_model,
        ks.data.load("mnist_5k"),
        batch_sizes=(128, 2000),
        remedies={
            "SAM": {"method": ks.training.SharpnessAware(rho=0.05)},
            "ASAM": {
                "method": ks.training.SharpnessAware(rho=0.5, adaptive=True)
            },
        },
        training={"stop_loss": 0.01, "epochs": 2000},
        out="runs/remedies",
    )
    print(found.table())
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, appendix E;
        Foret et al. 2021, https://arxiv.org/abs/2010.01412.
    """
    study = remedies_study(
        build_model,
        data,
        batch_sizes=batch_sizes,
        remedies=remedies,
        seeds=seeds,
        out=out,
        training=training,
        plan=plan,
        name=name,
    )
    study.run(**run)
    return study.comparison()


def remedies_study(
    build_model: Callable[[], keras.Model],
    data: SampleData,
    *,
    batch_sizes: Sequence[int],
    remedies: Mapping[str, Mapping[str, Any]],
    seeds: int | Sequence[int],
    training: Mapping[str, Any] | None = None,
    **options: Any,
) -> GroupStudy:
    """The study of `remedies` that has not been run.

    Args:
        build_model: As in `remedies`, and so are the others.
        data: `SampleData`.
        batch_sizes: Sequence of ints.
        remedies: Mapping.
        seeds: Int, or sequence of ints.
        training: Dict.
        **options: Further arguments of `Study`.

    Returns:
        A `GroupStudy`.
    """
    arguments.instance("data", data, SampleData, "a ClassificationData")
    must = "a dict from names of remedies to arguments of `ks.train`"
    arguments.instance("remedies", remedies, Mapping, must)
    if not remedies or PLAIN in remedies:
        raise arguments.refuse(
            "remedies", remedies, f"{must}, one or more but {PLAIN!r}"
        )
    for remedy in remedies.values():
        arguments.instance("remedies", remedy, Mapping, must)
    most = len(data.x_train)
    sizes = checked_sizes(batch_sizes, most)
    shared = checked_training({} if training is None else training)
    shared.setdefault("epochs", 20)
    members, references = [], {}
    for seed in checked_seeds(seeds):
        for size in sizes:
            plain = f"{PLAIN}, batch {size}"
            for number, (name, remedy) in enumerate(
                {PLAIN: {}, **remedies}.items()
            ):
                group = f"{name}, batch {size}"
                if name != PLAIN:
                    references[group] = plain
                method = remedy.get("method")
                gradients = 1 if method is None else method.gradients_per_batch
                changed = dict(remedy)
                if shared.get("stop_loss") is None:
                    epochs = remedy.get("epochs", shared["epochs"])
                    changed["epochs"] = max(1, epochs // gradients)
                members.append(
                    Member(
                        seed=seed,
                        batch_size=size,
                        training=changed,
                        labels={
                            GROUP: group,
                            "remedy": name,
                            "gradients_per_batch": gradients,
                        },
                        name=f"seed-{seed}-batch-{size}-{number}",
                    )
                )
    return GroupStudy(
        build_model,
        data,
        members,
        references=references,
        title="Remedies",
        question=_QUESTION,
        kind="remedies",
        training=shared,
        **options,
    )
