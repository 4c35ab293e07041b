"""One training of a comparison, with everything that is measured of it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from keras_sharpness.data import SampleData
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.runs import RunFolder, RunFolderError
from keras_sharpness.saving import ModelFileError, load_weights
from keras_sharpness.studies.measurement import MeasurementPlan, Target
from keras_sharpness.studies.progress import StudyProgress
from keras_sharpness.training import train


@dataclasses.dataclass(kw_only=True)
class Member:
    """One run of a comparison: trained once, measured once.

    Attributes:
        build_model: Callable that returns a built `keras.Model`.
        data: `SampleData`.
        seed: Int.
        kind: Str. `"small"` or `"large"`.
        batch_size: Int.
        epochs: Int.
        patience: Int or None.
        optimizer: Str or `keras.optimizers.Optimizer`.
        loss: As in `keras.Model.compile`, or None for the compiled one.
        plan: `MeasurementPlan`.
        folder: `RunFolder` that holds what is finished.
    """

    build_model: Callable[[], keras.Model]
    data: SampleData
    seed: int
    kind: str
    batch_size: int
    epochs: int
    patience: int | None
    optimizer: Any
    loss: Any
    plan: MeasurementPlan
    folder: RunFolder
    _target: Target | None = None

    @property
    def label(self) -> str:
        """What to call the run while it is under way."""
        return f"seed {self.seed}, batch {self.batch_size}"

    def train(self, bars: StudyProgress) -> None:
        """Trains, or goes on, unless the run is finished."""
        if self.folder.is_finished:
            bars.skip()
            return
        # What was measured of a model that was trained before and is gone.
        for name in self.folder.measurements():
            self.folder.remove(name)
        model = build_from_seed(self.build_model, self.seed)
        if self.folder.initial_weights_path.exists():
            self._load_start(model)
        else:
            self.folder.save_initial(model)
        with bars.step(f"training, {self.label}") as report:
            history = train(
                model,
                self.data.x_train,
                self.data.y_train,
                batch_size=self.batch_size,
                epochs=self.epochs,
                patience=self.patience,
                optimizer=self.optimizer,
                loss=self.loss,
                validation_data=(self.data.x_test, self.data.y_test),
                seed=self.seed,
                checkpoint=self.folder.checkpoint_path,
                progress=report,
            )
        self.folder.save_history(history)
        self.folder.save_model(model)
        # Only now: a kill before this line finds the checkpoint again.
        self.folder.checkpoint_path.unlink(missing_ok=True)

    @property
    def is_measured(self) -> bool:
        """Whether no measurement is missing."""
        return all(
            self.folder.has(name, self.plan.settings(name))
            for name in self.plan.names()
        )

    def measure(self, bars: StudyProgress) -> None:
        """Takes the measurements that are not there yet."""
        for name in self.plan.names():
            settings = self.plan.settings(name)
            if self.folder.has(name, settings):
                bars.skip()
                continue
            with bars.step(f"{name}, {self.label}") as report:
                result = self.plan.run(name, self.target(), report)
                self.folder.write(name, result, settings)

    def target(self) -> Target:
        """The trained model with its objectives, loaded once."""
        if self._target is None:
            start = build_from_seed(self.build_model, self.seed)
            if self.folder.initial_weights_path.exists():
                self._load_start(start)
            self._target = Target(
                self.folder.load_model(),
                self.data,
                self.plan,
                loss=self.loss,
                start=WeightLayout(start).read(),
            )
        return self._target

    def _load_start(self, model: keras.Model) -> None:
        path = self.folder.initial_weights_path
        try:
            load_weights(model, path)
        except ModelFileError as error:
            raise RunFolderError(
                f"{error} If it is damaged, delete it: the same weights are "
                "made again from the seed."
            ) from error


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
