"""The epochs of a training, with callbacks, checkpoints and progress."""

import time
from collections.abc import Callable
from typing import Any

import keras

from keras_sharpness.interrupts import kept_interrupts
from keras_sharpness.training.backend import (
    CompiledSteps,
    Data,
    FiniteCheck,
)
from keras_sharpness.training.callback_state import (
    LastLogs,
    callback_states,
    has_batch_hooks,
    restore_callbacks,
)
from keras_sharpness.training.checkpoint import Checkpoint, CheckpointWriter
from keras_sharpness.training.diverged import (
    TrainingDivergedError,
    diverged_error,
)
from keras_sharpness.training.history import (
    StopReason,
    has_ceased_to_improve,
)
from keras_sharpness.training.pace import Pace
from keras_sharpness.training.passes import Passes, learning_rate
from keras_sharpness.training.plan import Plan
from keras_sharpness.training.progress import Reporter
from keras_sharpness.training.scaled_rate import ScaledRate
from keras_sharpness.training.schedules.probes import TrainingProbes
from keras_sharpness.training.schedules.schedule import BatchSizeSchedule
from keras_sharpness.training.state import TrainingState, epoch_order
from keras_sharpness.training.stop_check import StopCheck

# Only memory limits how many samples the loss is measured on at once.
_SAMPLES_OF_A_CHECK = 500


class TrainingLoop:
    """Runs a training from its beginning, or from a checkpoint, to its end.

    Args:
        model: `keras.Model`, compiled, with a built optimizer.
        steps: `CompiledSteps` of the model.
        data: `Data` on the device.
        validation: `Data` on the device, or None.
        plan: `Plan`.
        schedule: `BatchSizeSchedule`, or None for `plan.batch_size`
            throughout.
        probes: `TrainingProbes`, what the schedule measures by.
        callbacks: List of `keras.callbacks.Callback`.
        settings: Dict. What the training is determined by.
        writer: `CheckpointWriter`.
        reporter: `Reporter`.
        has_accuracy: Bool. Whether the steps measure an accuracy.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        steps: CompiledSteps,
        data: Data,
        validation: Data | None,
        plan: Plan,
        schedule: BatchSizeSchedule | None,
        probes: TrainingProbes,
        callbacks: list[keras.callbacks.Callback],
        settings: dict[str, Any],
        writer: CheckpointWriter,
        reporter: Reporter,
        has_accuracy: bool,
    ):
        self._model = model
        self._others = steps.variables
        self._data = data
        self._validation = validation
        self._plan = plan
        self._schedule = schedule
        self._probes = probes
        self._settings = settings
        self._writer = writer
        self._reporter = reporter
        self._is_finite = FiniteCheck(model)
        self._logs_seen = LastLogs()
        self._callbacks = keras.callbacks.CallbackList(
            [*callbacks, self._logs_seen],
            add_history=True,
            model=model,
            verbose=0,
            epochs=plan.epochs,
            steps=plan.num_batches(),
        )
        self._passes = Passes(
            model,
            steps,
            callbacks=self._callbacks,
            batchwise=has_batch_hooks(callbacks),
            has_accuracy=has_accuracy,
        )
        self._rate = self._check = None
        if plan.learning_rate_scaling != "none":
            self._rate = ScaledRate(
                model.optimizer,
                scaling=plan.learning_rate_scaling,
                base_batch_size=plan.base_batch_size or plan.batch_size,
                warmup_updates=plan.warmup_epochs * plan.num_batches(),
            )
        if plan.stop_loss is not None:
            self._check = StopCheck(self._train_loss, plan.stop_loss)
        self._is_reached = False
        self._started_at = time.perf_counter()
        self._seconds_before = 0.0
        self._callbacks_at_start: list[dict[str, Any]] = []
        self.rows: list[dict[str, float]] = []
        self.num_updates = 0
        self.stop_reason: StopReason | None = None
        self.last_good: Checkpoint

    @property
    def seconds(self) -> float:
        """Wall-clock time so far, earlier sessions included."""
        return self._seconds_before + time.perf_counter() - self._started_at

    def run(self, earlier: Checkpoint | None) -> Checkpoint:
        """Trains.

        Args:
            earlier: `Checkpoint` to go on from, or None.

        Returns:
            The `Checkpoint` of the finished training.

        Raises:
            TrainingDivergedError: If the loss or a weight is not finite.
        """
        self._begin(earlier)
        self.last_good = self._checkpoint(finished=False)
        try:
            with kept_interrupts() as check_interrupts:
                while self.stop_reason is None:
                    self._run_epoch(check_interrupts)
                    self.last_good = self._checkpoint(finished=False)
                    self._writer.offer(self.last_good)
            self._model.optimizer.finalize_variable_values(
                self._model.trainable_variables
            )
            self._callbacks.on_train_end(self._logs_seen.logs)
            self.last_good = self._checkpoint(finished=True)
            self._writer.offer(self.last_good)
        except TrainingDivergedError:
            self._callbacks.on_train_end(self._logs_seen.logs)
            self.last_good.state.restore(self._model, self._others)
            self._writer.offer(self.last_good)
            raise
        finally:
            # Ctrl-C and errors of callbacks lose the present epoch only.
            self._writer.flush()
        return self.last_good

    def _begin(self, earlier: Checkpoint | None) -> None:
        if earlier is not None:
            earlier.state.restore(self._model, self._others)
        self._model.stop_training = False
        self._callbacks.on_train_begin()
        self._callbacks_at_start = callback_states(self._callbacks.callbacks)
        if earlier is None:
            return
        # Once more: what callbacks change at the beginning of a training is
        # part of the state that the checkpoint holds.
        earlier.state.restore(self._model, self._others)
        restore_callbacks(self._callbacks.callbacks, earlier.callbacks)
        self.rows = list(earlier.rows)
        self.num_updates = earlier.num_updates
        self.stop_reason = earlier.stop_reason
        self._seconds_before = earlier.seconds
        if not self.rows:
            return
        last = self.rows[-1]
        if self._check is not None:
            self._check.last = last["train_loss"]
        if self._rate is not None:
            self._rate.go_on(
                last["base_learning_rate"],
                update=self.num_updates - 1,
                batch_size=int(last.get("batch_size", self._plan.batch_size)),
            )

    def _batch_size(self) -> int:
        """That of the next epoch."""
        if self._schedule is None:
            return self._plan.batch_size
        return self._schedule.next_size(
            self.rows, num_samples=self._plan.num_samples
        )

    def _train_loss(self) -> float:
        num_samples = self._plan.num_samples
        return self._passes.loss(
            self._data,
            num_samples,
            batch_size=min(num_samples, _SAMPLES_OF_A_CHECK),
        )

    def _run_epoch(self, check_interrupts: Callable[[], None]) -> None:
        epoch, plan, began = len(self.rows), self._plan, time.perf_counter()
        batch_size = self._batch_size()
        updates = plan.num_batches(batch_size)
        left = (plan.epochs - epoch) * updates
        pace = Pace(
            self._rate,
            self._check,
            updates_before=self.num_updates,
            batch_size=batch_size,
            num_batches=updates,
        )
        before = self.num_updates

        def report(done: int, logs: dict[str, float]) -> None:
            check_interrupts()
            self._reporter.update(
                before + done, before + left, {"epoch": epoch + 1, **logs}
            )

        self._callbacks.on_epoch_begin(epoch)
        logs, num_batches = self._passes.train(
            self._data,
            epoch_order(plan.num_samples, seed=plan.seed, epoch=epoch),
            batch_size=batch_size,
            epoch=epoch + 1,
            pace=pace,
            report=report,
        )
        pace.check(num_batches)
        self._is_reached = pace.is_reached
        rate = learning_rate(self._model)
        if not self._is_finite():
            raise diverged_error(
                "A weight became NaN or infinite",
                epoch=epoch + 1,
                batch=num_batches,
                num_batches=updates,
                rate=rate,
            )
        if self._validation is not None:
            measured = self._passes.evaluate(
                self._validation,
                plan.num_validation_samples,
                batch_size=plan.batch_size,
            )
            logs |= {f"val_{name}": value for name, value in measured.items()}
        self._callbacks.on_epoch_end(epoch, dict(logs))
        self.num_updates += num_batches
        self.rows.append(
            {
                **self._logs_seen.numbers(),
                **logs,
                "learning_rate": rate,
                "seconds": time.perf_counter() - began,
                **self._notes(batch_size),
            }
        )
        if self._schedule is not None:
            self.rows[-1] |= self._schedule.noted(self.rows)
        report(num_batches, logs)
        self.stop_reason = self._reason_to_stop()

    def _notes(self, batch_size: int) -> dict[str, float]:
        """What a row holds beside the losses, where it is asked for."""
        notes: dict[str, float] = {}
        if self._check is not None:
            notes["train_loss"] = self._check.last
        if self._rate is not None:
            self._rate.note_changes()
            notes["base_learning_rate"] = self._rate.base
        if self._schedule is not None:
            notes["batch_size"] = batch_size
            notes |= self._schedule.measure(self._probes)
        return notes

    def _reason_to_stop(self) -> StopReason | None:
        if self._is_reached:
            return "loss"
        if has_ceased_to_improve(
            [row["loss"] for row in self.rows],
            patience=self._plan.patience,
            min_delta=self._plan.min_delta,
        ):
            return "patience"
        if self._model.stop_training:
            return "callback"
        return "epochs" if len(self.rows) == self._plan.epochs else None

    def _checkpoint(self, *, finished: bool) -> Checkpoint:
        memory = []
        if self._writer.is_wanted:
            memory = callback_states(
                self._callbacks.callbacks, since=self._callbacks_at_start
            )
        return Checkpoint(
            settings=self._settings,
            rows=list(self.rows),
            num_updates=self.num_updates,
            seconds=self.seconds,
            stop_reason=self.stop_reason,
            finished=finished,
            state=TrainingState.of(self._model, self._others),
            callbacks=memory,
        )
