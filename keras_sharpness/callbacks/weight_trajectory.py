"""The weights along a training, on disk."""

import os
from typing import Any

import keras

from keras_sharpness import arguments
from keras_sharpness.callbacks._schedule import (
    BatchCounter,
    Frequency,
    check_frequency,
    step_of,
)
from keras_sharpness.callbacks._trajectory_folder import TrajectoryFolder


class WeightTrajectory(keras.callbacks.Callback):
    """Keeps the weights along the training, for plots of its trajectory.

    Writes the weights that the training starts from and those after every
    epoch, or every n batches, with the moving statistics and all other
    non-trainable state. `SavedTrajectory(folder)` reads them.

    There are never more than `max_checkpoints`, each of which takes as much
    as the weights. When there would be more, every second one is deleted, and
    from then on only every second one is kept: they always cover the training
    from its start evenly, to within a factor of two. The latest one is always
    there.

    After an interruption the trajectory goes on from where the training does,
    e.g. with `BackupAndRestore` or with the `checkpoint` of `ks.train`, and so
    it does when `fit` is called again: checkpoints of steps that are going to
    be taken anew are deleted, and batches are counted on. Every
    file is written in one step; what an interruption left over is removed.

    Args:
        folder: Path. Made if it does not exist; nothing else may be in it.
        frequency: `"epoch"`, or int, a number of batches; then the end of the
            training is kept as well.
        max_checkpoints: Int, at least 3.
        overwrite: Bool. Whether to replace the trajectory of another training
            that is in the folder, instead of refusing to start.

    Raises:
        ValueError: For options out of range; when the training begins, if the
            folder holds other files or another training.

    Example:

    ```python
    import tempfile
    import keras
    import numpy as np
    from keras_sharpness.callbacks import SavedTrajectory, WeightTrajectory

    x, y = np.eye(4), np.ones((4, 1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with tempfile.TemporaryDirectory() as folder:
        trajectory = WeightTrajectory(folder, max_checkpoints=5)
        model.fit(x, y, epochs=9, callbacks=[trajectory], verbose=0)
        assert SavedTrajectory(folder).epochs == [0, 4, 8, 9]
    ```
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        frequency: Frequency = "epoch",
        max_checkpoints: int = 100,
        overwrite: bool = False,
    ):
        super().__init__()
        self.folder = arguments.path("folder", folder)
        self.frequency = check_frequency(frequency)
        self.max_checkpoints = arguments.integer(
            "max_checkpoints",
            max_checkpoints,
            least=3,
            remedy="These are the start, the end and one between.",
        )
        self.overwrite = arguments.boolean("overwrite", overwrite)
        if frequency != "epoch":
            # Not defined in the class: `ks.train` leaves out what no callback
            # asks for, and is faster then.
            self.on_train_batch_end = self._after_batch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Looks at the folder."""
        del logs
        self._files = TrajectoryFolder(
            self.folder, self.model, self.max_checkpoints
        )

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Writes the weights at the start."""
        del logs
        if not self._files.has_begun:
            # Not in `on_train_begin`: `BackupAndRestore` restores there, and
            # may be called later. Nor by a value of this callback's own, which
            # `ks.train` restores from its checkpoint.
            step, by_epoch = step_of(self.model), self.frequency == "epoch"
            self._files.go_on(
                step,
                epoch,
                interval=1 if by_epoch else self.frequency,
                overwrite=self.overwrite,
            )
            if not by_epoch:
                self._counter = BatchCounter(
                    self.frequency, done=step - self._files.first_step
                )
        self._epochs_done = epoch

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Writes the weights."""
        del logs
        self._epochs_done = epoch + 1
        if self.frequency == "epoch":
            self._write(occasion=epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Writes the weights at the end."""
        del logs
        if self._files.has_begun and self._files.last_step != step_of(
            self.model
        ):
            self._write()

    def _after_batch(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        del logs
        if self._counter.is_due(batch):
            self._write()

    def _write(self, occasion: int | None = None) -> None:
        self._files.write(step_of(self.model), self._epochs_done, occasion)
