"""One member of a study, trained once and measured once."""

import contextlib
import dataclasses
import pathlib
import traceback
from collections.abc import Callable, Iterator

import keras

from keras_sharpness.files import write_atomically
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.runs import RunFolder, RunFolderError
from keras_sharpness.saving import ModelFileError, load_weights
from keras_sharpness.studies.measurement import Target
from keras_sharpness.studies.member import Member
from keras_sharpness.studies.progress import StudyProgress
from keras_sharpness.studies.training_log import log_of
from keras_sharpness.studies.work import Work
from keras_sharpness.training import train

TRAINING_LOG = "training_log"
TRACEBACK = "traceback.txt"


@dataclasses.dataclass(kw_only=True)
class MemberRun:
    """One member of a study, trained once and measured once.

    Attributes:
        work: The `Work` of its study.
        member: The `Member`.
        folder: `RunFolder` that holds what is finished.
    """

    work: Work
    member: Member
    folder: RunFolder
    _target: Target | None = None

    @classmethod
    def open(cls, work: Work, member: Member) -> "MemberRun | None":
        """The run as far as it is there, for reading.

        Args:
            work: The `Work` of its study.
            member: The `Member`.

        Returns:
            A `MemberRun`, or None where nothing is there.

        Raises:
            RunFolderError: If the folder is another run's, or damaged.
        """
        path = work.path(member.name)
        if not (path / "run.json").is_file():
            return None
        folder = RunFolder.open(path, work.settings_of(member))
        return cls(work=work, member=member, folder=folder)

    @property
    def is_complete(self) -> bool:
        """Whether it is trained, and no measurement is missing."""
        return self.folder.is_finished and self.is_measured

    @property
    def num_steps(self) -> int:
        """The training and the measurements."""
        return 1 + len(self.work.plan.names())

    @property
    def num_steps_done(self) -> int:
        """How many of them are there already."""
        if not self.folder.is_finished:
            return 0
        plan = self.work.plan
        return 1 + sum(
            self.folder.has(name, plan.settings(name)) for name in plan.names()
        )

    def train(self, bars: StudyProgress) -> None:
        """Trains, or goes on, unless the run is finished."""
        if self.folder.is_finished:
            bars.skip()
            return
        # What was measured of a model that was trained before and is gone.
        for name in self.folder.measurements():
            self.folder.remove(name)
        work, member = self.work, self.member
        model = build_from_seed(work.build_model, member.seed)
        if self.folder.initial_weights_path.exists():
            self._load_start(model)
        else:
            if member.start is not None:
                model.set_weights(self._end_of(member.start).get_weights())
            self.folder.save_initial(model)
        training = work.training_of(member)
        with bars.step(f"training, {member.label}") as report:
            history = train(
                model,
                work.data.x_train,
                work.data.y_train,
                batch_size=member.batch_size,
                validation_data=(work.data.x_test, work.data.y_test),
                seed=member.seed,
                checkpoint=self.folder.checkpoint_path,
                progress=report,
                **training,
            )
        log = log_of(model, member, training, history)
        self.folder.write(TRAINING_LOG, log, {})
        self.folder.save_history(history)
        self.folder.save_model(model)
        # Only now: a kill before this line finds the checkpoint again.
        self.folder.checkpoint_path.unlink(missing_ok=True)

    @property
    def is_measured(self) -> bool:
        """Whether no measurement is missing."""
        plan = self.work.plan
        return all(
            self.folder.has(name, plan.settings(name)) for name in plan.names()
        )

    def measure(self, bars: StudyProgress) -> None:
        """Takes the measurements that are not there yet."""
        plan = self.work.plan
        for name in plan.names():
            settings = plan.settings(name)
            if self.folder.has(name, settings):
                bars.skip()
                continue
            with bars.step(f"{name}, {self.member.label}") as report:
                result = plan.run(name, self.target(), report)
                self.folder.write(name, result, settings)

    def target(self) -> Target:
        """The trained model with its objectives, loaded once."""
        if self._target is None:
            work = self.work
            start = build_from_seed(work.build_model, self.member.seed)
            if self.folder.initial_weights_path.exists():
                self._load_start(start)
            self._target = Target(
                self.trained_model(),
                work.data,
                work.plan,
                loss=work.training_of(self.member).get("loss"),
                start=WeightLayout(start).read(),
            )
        return self._target

    def _end_of(self, name: str) -> keras.Model:
        """The model at the end of another member's training."""
        run = MemberRun.open(self.work, self.work.member(name))
        if run is None or not run.folder.is_finished:
            raise RunFolderError(
                f"{self.member.name} starts from the end of {name}, which is "
                "not there yet. Run that member first."
            )
        return run.trained_model()

    def trained_model(self) -> keras.Model:
        """The model at the end of the training.

        Returns:
            A `keras.Model` that `build_model` made, whatever layers of the
            user's own it has, with the weights of the file.

        Raises:
            ModelFileError: If the file cannot be read.
        """
        model = build_from_seed(self.work.build_model, self.member.seed)
        # Keras would look for its state in the file, which is another one's.
        optimizer, model.optimizer = model.optimizer, None
        load_weights(model, self.folder.model_path)
        model.optimizer = optimizer
        return model

    def _load_start(self, model: keras.Model) -> None:
        path = self.folder.initial_weights_path
        try:
            load_weights(model, path)
        except ModelFileError as error:
            raise RunFolderError(
                f"{error} If it is damaged, delete it: the same weights are "
                "made again from the seed."
            ) from error


def run_member(work: Work, name: str, bars: StudyProgress) -> None:
    """Trains and measures one member, as far as that is not done.

    Writes to the member's folder alone, and keeps the traceback of an error
    there.

    Args:
        work: The `Work` of its study.
        name: Str. The member's name.
        bars: `StudyProgress` to report to.
    """
    member = work.member(name)
    path = work.path(name)
    with (
        RunFolder.create_or_open(path, work.settings_of(member)) as folder,
        _traceback_kept(path),
    ):
        run = MemberRun(work=work, member=member, folder=folder)
        run.train(bars)
        run.measure(bars)


def kept_reason(path: pathlib.Path) -> str | None:
    """The last line of the traceback of a member that failed.

    Args:
        path: Path of the member's folder.

    Returns:
        Str, or None if it did not fail.
    """
    file = path / TRACEBACK
    if not file.is_file():
        return None
    return file.read_text().strip().rpartition("\n")[2]


@contextlib.contextmanager
def _traceback_kept(path: pathlib.Path) -> Iterator[None]:
    file = path / TRACEBACK
    file.unlink(missing_ok=True)
    try:
        yield
    except Exception:
        write_atomically(file, traceback.format_exc().encode())
        raise


def build_from_seed(
    build_model: Callable[[], keras.Model], seed: int
) -> keras.Model:
    """The model that `build_model` returns under Keras' global seed.

    Args:
        build_model: Callable without arguments.
        seed: Int.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If it returns something else.
    """
    keras.utils.set_random_seed(seed)
    model = build_model()
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`build_model` must return a keras.Model. Received: "
            f"{type(model).__name__}."
        )
    return model
