"""A list of trainings, each run to its end, measured, and kept in a folder."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict

import keras

from keras_sharpness import arguments
from keras_sharpness.data import SampleData
from keras_sharpness.data.digest import digest_data
from keras_sharpness.files import write_atomically
from keras_sharpness.fingerprint.descriptions import describe_model
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.fingerprint import describe_objective_loss
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.progress import check_progress
from keras_sharpness.runs import RunFolderError, StudyFolder
from keras_sharpness.runs.errors import as_folder_error
from keras_sharpness.runs.lock import FolderLock
from keras_sharpness.studies.descriptions import (
    checked_training,
    described,
    described_training,
)
from keras_sharpness.studies.executors import (
    Executor,
    ExecutorName,
    run_members,
)
from keras_sharpness.studies.measurement import MeasurementPlan, Target
from keras_sharpness.studies.member import Member
from keras_sharpness.studies.member_run import (
    MemberRun,
    build_from_seed,
    kept_reason,
    run_member,
)
from keras_sharpness.studies.opening import (
    check_writable,
    model_name,
    open_study,
)
from keras_sharpness.studies.progress import StudyProgress
from keras_sharpness.studies.rows import row_of
from keras_sharpness.studies.study_result import StudyResult
from keras_sharpness.studies.work import Work

_RECIPE = "recipe.json"
# Holds the lock of the one driver; members have locks of their own.
_DRIVER = ".driver"


class RunOptions(TypedDict, total=False):
    """The arguments of `Study.run`, which named studies pass on."""

    executor: ExecutorName | None
    workers: int
    threads: int | None
    gpus: float
    ray_address: str | None
    progress: bool


class Study:
    """A list of trainings, each run to its end, measured, and kept.

    Every member has a `RunFolder` of its own in the study's folder. What is
    finished is never done again: the same call goes on where an earlier one
    was stopped, and more members may be added to a folder later.

    Args:
        build_model: Callable that returns a built `keras.Model`. Keras' global
            seed is set to the member's seed before it is called.
        data: `SampleData`, e.g. `ClassificationData`.
        members: Sequence of `Member`. One that starts from another comes
            after it.
        out: Path of the study's folder.
        plan: `MeasurementPlan`. What to measure.
        training: Dict of the arguments of `ks.train` that all members share,
            e.g. `{"epochs": 100, "stop_loss": 0.01, "optimizer": "sgd"}`.
        name: Str. What to call the model in tables and settings.
        kind: Str. What kind of study it is.
        recipe: Dict in JSON's types from which the command line makes the
            study again, or None.

    Attributes:
        members: Tuple of `Member`.
        work: The `Work` that executors are given.
        work_training: Dict of the checked arguments of `ks.train`.
        out: Path of the study's folder.
        folder: `StudyFolder`, once it has been prepared.

    Raises:
        ValueError: For options or data that do not fit, before any work.

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
    members = [
        ks.studies.Member(seed=seed, batch_size=size)
        for seed in (0, 1) for size in (4, 40)
    ]
    plan = ks.studies.MeasurementPlan(subspace_dim=None, num_eigenvalues=1)
    with tempfile.TemporaryDirectory() as folder:
        study = ks.studies.Study(
            build_model, data, members, plan=plan, out=folder,
            training={"epochs": 2, "optimizer": "sgd"},
        )
        result = study.run(progress=False)
    assert list(result.to_frame()["updates"]) == [20, 2, 20, 2]
    ```
    """

    def __init__(
        self,
        build_model: Callable[[], keras.Model],
        data: SampleData,
        members: Sequence[Member],
        *,
        out: str | os.PathLike,
        plan: MeasurementPlan | None = None,
        training: Mapping[str, Any] | None = None,
        name: str | None = None,
        kind: str = "members",
        recipe: Mapping[str, Any] | None = None,
    ):
        plan = MeasurementPlan() if plan is None else plan
        arguments.function(
            "build_model", build_model, "that returns a keras.Model"
        )
        arguments.instance("plan", plan, MeasurementPlan, "a MeasurementPlan")
        arguments.instance("data", data, SampleData, "a ClassificationData")
        arguments.text("name", name, optional=True)
        arguments.text("kind", kind)
        if recipe is not None:
            arguments.instance("recipe", recipe, Mapping, "a dict")
        self.members = _checked_members(members)
        self.work_training = checked_training(
            {} if training is None else training
        )
        if not any(
            "epochs" in {**self.work_training, **m.training}
            for m in self.members
        ):
            self.work_training.setdefault("epochs", 20)
        self._build_model, self._data, self._plan = build_model, data, plan
        self.out = pathlib.Path(arguments.path("out", out))
        self._name, self._kind, self._recipe = name, kind, recipe
        for member in self.members:
            _check_batch(member.batch_size, len(data.x_train))
        model = build_from_seed(build_model, self.members[0].seed)
        # Refuses what cannot be measured before the first file is written.
        loss = self.work_training.get("loss")
        objective = Target(model, data, plan, loss=loss).train
        self.work = Work(
            build_model=build_model,
            data=data,
            plan=plan,
            training=self.work_training,
            members=self.members,
            settings=self.describe(model, objective),
            out=self.out,
        )
        self.folder: StudyFolder | None = None

    def prepare(self) -> StudyFolder:
        """Makes the study's folder, for others to run members in.

        Returns:
            The `StudyFolder`.

        Raises:
            RunFolderError: If `out` cannot be written, or holds another study.
        """
        self.folder = open_study(self.out, dict(self.work.settings))
        if self._recipe is not None and self.folder.is_writable:
            content = {
                "recipe": self._recipe,
                "members": [member.name for member in self.members],
            }
            file = self.folder.path_of(_RECIPE)
            text = json.dumps(content, indent=1).encode()
            if not file.is_file() or file.read_bytes() != text:
                write_atomically(file, text)
        return self.folder

    def run(
        self,
        *,
        executor: ExecutorName | None = None,
        workers: int = 1,
        threads: int | None = None,
        gpus: float = 0.0,
        ray_address: str | None = None,
        progress: bool = True,
    ) -> StudyResult:
        """Trains and measures all members that are not finished yet.

        A member that fails keeps its traceback in its folder and does not
        stop the others.

        Args:
            executor: Str. `"here"`, in this process; `"process"`, in processes
                of their own, each for one member; `"ray"`, as tasks of Ray.
                By default `"here"` for one worker, else `"process"`.
            workers: Int. Members at a time.
            threads: Int. Threads that share the work of one member. The same
                bits need the same number, which the log of every member
                keeps. By default the cores divided by the workers.
            gpus: Float. GPUs of each member, on Ray.
            ray_address: Str. Of a running Ray, e.g. `"auto"`; None starts one
                on this machine.
            progress: Bool. Whether to show progress on standard error.

        Returns:
            A `StudyResult`.

        Raises:
            RunFolderError: If `out` cannot be written, holds another study,
                or another process runs this one.
            ValueError: If an option does not fit, or every member failed.
        """
        check_progress(progress)
        how = Executor(
            kind=executor,
            workers=workers,
            threads=threads,
            gpus=gpus,
            ray_address=ray_address,
        )
        how.set_threads_here()
        self.prepare()
        names = self.unfinished()
        if names:
            check_writable(self.folder)
            with self._driving():
                run_members(self.work, names, how, progress=progress)
        result = self.result()
        if result.failures and not result.rows and not result.missing:
            name, reason = next(iter(result.failures.items()))
            raise ValueError(
                f"All {len(result.failures)} trainings failed; {name}: "
                f"{reason} Their tracebacks are in {self.out}."
            )
        return result

    def run_member(
        self,
        member: int | str,
        *,
        threads: int | None = None,
        progress: bool = True,
    ) -> None:
        """Trains and measures one member, as far as that is not done.

        Writes to the member's folder alone, so that any number of processes,
        on any machines that share the study's folder, may run members.

        Args:
            member: Int, its number from 0, or str, its name.
            threads: Int. Threads that share the work; None for all cores.
            progress: Bool. Whether to show progress on standard error.

        Raises:
            RunFolderError: If another process runs the member, or it starts
                from one that is not finished.
            ValueError: If there is no such member.
        """
        name = self._name_of(member)
        self.prepare()
        check_writable(self.folder)
        if threads is not None:
            from keras_sharpness.training.backend.devices import (
                set_num_threads,
            )

            set_num_threads(arguments.integer("threads", threads, least=1))
        steps = 1 + len(self._plan.names())
        with StudyProgress(steps, show=progress) as bars:
            run_member(self.work, name, bars)

    def unfinished(self) -> list[str]:
        """The names of the members that are not trained and measured yet.

        Raises:
            RunFolderError: If a folder is another run's, or damaged.
        """
        names = []
        for member in self.members:
            run = MemberRun.open(self.work, member)
            if run is None or not run.is_complete:
                names.append(member.name)
        return names

    def result(self) -> StudyResult:
        """What is finished, as one table.

        Returns:
            A `StudyResult`.

        Raises:
            RunFolderError: If a folder is damaged.
        """
        rows, failures, missing = [], {}, []
        for member in self.members:
            run = MemberRun.open(self.work, member)
            if run is not None and run.is_complete:
                rows.append(row_of(run))
                continue
            reason = kept_reason(self.work.path(member.name))
            if reason is None:
                missing.append(member.name)
            else:
                failures[member.name] = reason
        return StudyResult(
            rows=tuple(rows),
            failures=failures,
            missing=tuple(missing),
            settings={
                **self.work.settings,
                "seeds": sorted({member.seed for member in self.members}),
                "plan": dataclasses.asdict(self._plan),
            },
            folder=str(self.out),
        )

    def describe(
        self, model: keras.Model, objective: Objective
    ) -> dict[str, Any]:
        """What the study is of, in JSON's types.

        Args:
            model: `keras.Model` of the first member, untrained.
            objective: `Objective` of its training samples.

        Returns:
            Dict.
        """
        data = self._data
        return {
            "study": self._kind,
            "model": self._name or model_name(self.out, model),
            "num_weights": WeightLayout(model).size,
            "data": data.name,
            "num_train": len(data.x_train),
            "num_test": len(data.x_test),
            "training": described_training(self.work_training),
            "fingerprint": {
                "data": digest_data(data),
                "architecture": describe_model(model),
                "loss": describe_objective_loss(objective),
                "training": described(self.work_training),
            },
        }

    def _name_of(self, member: int | str) -> str:
        names = [m.name for m in self.members]
        if isinstance(member, str):
            if member not in names:
                raise ValueError(
                    f"The study has no member {member!r}. It has: "
                    f"{', '.join(names[:5])}{', …' * (len(names) > 5)}."
                )
            return member
        most = len(names) - 1
        return names[arguments.integer("member", member, least=0, most=most)]

    @contextmanager
    def _driving(self) -> Iterator[None]:
        """One process at a time runs a study as a whole."""
        place = self.out / _DRIVER
        with as_folder_error(place, "written"):
            place.mkdir(exist_ok=True)
        try:
            lock = FolderLock.take(place)
        except RunFolderError as error:
            owner = str(error).partition("in use by ")[2].partition(". ")[0]
            raise RunFolderError(
                f"{self.out} is being run by {owner} already. Wait for it or "
                "stop it, or pass another folder (`--out`)."
            ) from error
        try:
            yield
        finally:
            lock.release()


def _checked_members(members: Any) -> tuple[Member, ...]:
    must = "a sequence of Member, at least one"
    if not isinstance(members, Sequence) or isinstance(members, str):
        raise arguments.refuse("members", members, must)
    if not members:
        raise arguments.refuse("members", members, must)
    names: set[str] = set()
    for member in members:
        arguments.instance("members", member, Member, must)
        if member.name in names:
            raise ValueError(
                "`members` must have a name each. Received: two of the name "
                f"{member.name!r}. Give them other labels, or names."
            )
        if member.start is not None and member.start not in names:
            raise ValueError(
                f"{member.name!r} starts from {member.start!r}, which is no "
                "member before it. Put that one first."
            )
        names.add(member.name)
    return tuple(members)


def _check_batch(batch_size: Any, most: int) -> None:
    """Refuses a batch larger than the data; schedules check themselves."""
    if isinstance(batch_size, int):
        arguments.integer(
            "batch_size",
            batch_size,
            least=1,
            most=most,
            remedy=f"There are {most} training samples.",
        )
