"""One pass over the data: batches, batch-level callbacks, means."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_sharpness.training.backend import CompiledSteps, Data, to_device
from keras_sharpness.training.diverged import diverged_error
from keras_sharpness.training.pace import Pace

# A call into the compiled loop should last about this long: long enough for
# Python to cost nothing, short enough for Ctrl-C and the progress bar.
_SHORT_CALL_SECONDS = 0.25
_LONG_CALL_SECONDS = 1.0


class Passes:
    """Runs a model's steps over all batches of some data.

    Args:
        model: `keras.Model`, compiled.
        steps: `CompiledSteps` of the model.
        callbacks: `keras.callbacks.CallbackList`.
        batchwise: Bool. Whether the callbacks are called at every batch;
            else many batches run in one call.
        has_accuracy: Bool. Whether the steps measure an accuracy.
    """

    def __init__(
        self,
        model: keras.Model,
        steps: CompiledSteps,
        *,
        callbacks: keras.callbacks.CallbackList,
        batchwise: bool,
        has_accuracy: bool,
    ):
        self._model = model
        self._steps = steps
        self._callbacks = callbacks
        self._batchwise = batchwise
        # Where the measures stand among those of a step.
        self._places = {"loss": 0, "accuracy": 1}
        if not has_accuracy:
            del self._places["accuracy"]
        self._call_size = 1

    def train(
        self,
        data: Data,
        order: np.ndarray,
        *,
        batch_size: int,
        epoch: int,
        pace: Pace,
        report: Callable[[int, dict[str, float]], None],
    ) -> tuple[dict[str, float], int]:
        """Updates the model with every batch.

        Args:
            data: `Data` on the device.
            order: Array (N,) of int. The order of the samples.
            batch_size: Int. Samples in a batch; the last one may be shorter.
            epoch: Int. Epoch, counted from 1.
            pace: `Pace` of the epoch.
            report: Function `(done, logs)`, called with the batches done and
                the means so far.

        Returns:
            The means over the batches, weighted by their sizes, and how many
            batches there were: callbacks and `pace` may stop between two.

        Raises:
            TrainingDivergedError: If a batch's loss is not finite.
        """
        hooks = self._callbacks
        self._model.reset_metrics()
        return self._run(
            data,
            order,
            batch_size=batch_size,
            begin=hooks.on_train_batch_begin if self._batchwise else None,
            end=hooks.on_train_batch_end if self._batchwise else None,
            pace=pace,
            note=report,
            epoch=epoch,
        )

    def evaluate(
        self, data: Data, num_samples: int, *, batch_size: int
    ) -> dict[str, float]:
        """Measures the model, dropout off, and tells the callbacks.

        Args:
            data: `Data` on the device.
            num_samples: Int. Samples in `data`.
            batch_size: Int. Samples in a batch.

        Returns:
            The means over the batches, weighted by their sizes.
        """
        hooks = self._callbacks
        hooks.on_test_begin()
        self._model.reset_metrics()
        logs, _ = self._run(
            data,
            np.arange(num_samples),
            batch_size=batch_size,
            begin=hooks.on_test_batch_begin if self._batchwise else None,
            end=hooks.on_test_batch_end if self._batchwise else None,
        )
        hooks.on_test_end(logs)
        return logs

    def loss(self, data: Data, num_samples: int, *, batch_size: int) -> float:
        """The loss, dropout off; callbacks see nothing of it.

        Args:
            data: `Data` on the device.
            num_samples: Int. Samples in `data`.
            batch_size: Int. Samples in a batch.

        Returns:
            Float.
        """
        order = np.arange(num_samples)
        return self._run(data, order, batch_size=batch_size)[0]["loss"]

    def _run(
        self,
        data: Data,
        order: np.ndarray,
        *,
        batch_size: int,
        begin: Callable | None = None,
        end: Callable | None = None,
        pace: Pace | None = None,
        note: Callable[[int, dict[str, float]], None] | None = None,
        epoch: int = 0,
    ) -> tuple[dict[str, float], int]:
        training = pace is not None
        num_full, num_left = divmod(len(order), batch_size)
        sizes = np.array([batch_size] * num_full + [num_left] * (num_left > 0))
        on_device = to_device(order)
        measures = np.empty((3, len(sizes)))
        sums = np.zeros(3)
        places = dict(self._places)
        if training and self._steps.added:
            places[self._steps.added] = 2
        done = 0
        while done < len(sizes):
            stop = done + 1
            if begin is not None:
                begin(done)
            elif done < num_full:
                stop = min(done + self._call_size, num_full)
            if pace is not None:
                stop = min(stop, done + pace.before(done))
            began = time.perf_counter()
            measures[:, done:stop] = self._steps.run(
                data,
                on_device,
                first=done * batch_size,
                num_batches=stop - done,
                batch_size=int(sizes[done]),
                training=training,
            )
            self._adapt(time.perf_counter() - began, stop - done)
            if training:
                self._check_finite(measures[0], done, stop, epoch)
            sums += measures[:, done:stop] @ sizes[done:stop]
            done = stop
            logs = _named(places, sums / sizes[:done].sum())
            if note is not None:
                note(done, logs)
            if end is not None:
                end(done - 1, logs)
                if training and self._model.stop_training:
                    break
            if pace is not None and pace.after(done):
                break
        # In one go: where the calls ended depends on the clock, and sums in
        # pieces would round differently every time.
        means = np.average(measures[:, :done], axis=1, weights=sizes[:done])
        return _named(places, means), done

    def _adapt(self, seconds: float, num_batches: int) -> None:
        if seconds < _SHORT_CALL_SECONDS:
            self._call_size = max(self._call_size, 2 * num_batches)
        elif seconds > _LONG_CALL_SECONDS:
            self._call_size = max(1, self._call_size // 2)

    def _check_finite(
        self, losses: np.ndarray, done: int, stop: int, epoch: int
    ) -> None:
        bad = np.flatnonzero(~np.isfinite(losses[done:stop]))
        if bad.size:
            batch = done + int(bad[0])
            raise diverged_error(
                f"The loss became {losses[batch]}",
                epoch=epoch,
                batch=batch + 1,
                num_batches=len(losses),
                rate=learning_rate(self._model),
            )


def _named(places: dict[str, int], values: np.ndarray) -> dict[str, float]:
    return {name: float(values[place]) for name, place in places.items()}


def learning_rate(model: keras.Model) -> float:
    """The learning rate at this moment, schedules included."""
    rate: Any = model.optimizer.learning_rate
    return float(keras.ops.convert_to_numpy(rate))
