"""What all callbacks that measure have in common."""

import abc
import contextlib
import os
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import keras
import numpy as np
import pandas as pd

from keras_sharpness import arguments
from keras_sharpness.callbacks._objective import (
    ObjectiveOptions,
    check_options,
    objective_of,
)
from keras_sharpness.callbacks._schedule import (
    BatchCounter,
    Budget,
    Frequency,
    OutOfTime,
    check_frequency,
    step_of,
)
from keras_sharpness.callbacks._spectrum_writer import SpectrumWriter
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.progress import ProgressOption
from keras_sharpness.reasons import short_reason
from keras_sharpness.results import Result

_NAN = float("nan")


class NotDefinedYet(Exception):
    """What is to be measured does not exist at this point; says why."""


class _RehearsalEnds(Exception):
    """A first product or evaluation has been made."""


class _Record(NamedTuple):
    epoch: int
    step: int
    result: Result
    values: dict[str, float]
    seconds: float


class Measurement(keras.callbacks.Callback, abc.ABC):
    """Base of the callbacks that measure during `fit`.

    Subclasses name what they log and measure it. This class builds one
    `Objective` when the training begins, so that compiling is paid for once,
    decides when to measure and writes the values into the logs.

    The keys are in the logs of every epoch, with the last value where there
    is no new one: `CSVLogger` takes its columns from the first epoch, and
    `History` makes shorter lists of keys that come and go.

    What does not fit is refused when the training begins. After that nothing
    ends it: what cannot be measured is NaN in the logs, with one warning.

    Args:
        x: Data, or an `Objective` of the model.
        y: Targets.
        name: Str. How the keys of the logs begin.
        log_dir: Path. Where histograms go.
        frequency: `"epoch"`, or int, a number of batches.
        max_seconds: Float. For all measurements of a training.
        max_share: Float. Share of the time of the training itself.
        **options: Further arguments of `Objective`.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        name: str,
        log_dir: str | os.PathLike | None = None,
        frequency: Frequency = "epoch",
        max_seconds: float | None = None,
        max_share: float | None = None,
        **options: Unpack[ObjectiveOptions],
    ):
        super().__init__()
        check_options(x, y, options)
        self.x, self.y = x, y
        self.name = arguments.text("name", name)
        self.frequency = check_frequency(frequency)
        self._options = options
        self._budget = Budget(max_seconds, max_share)
        self._writer = None
        if log_dir is not None:
            self._writer = SpectrumWriter(log_dir, name)
        self._records: list[_Record] = []
        self._objective: Objective | None = None
        if frequency != "epoch":
            # Not defined in the class: `ks.train` leaves out what no callback
            # asks for, and is faster then.
            self.on_train_batch_end = self._after_batch

    @abc.abstractmethod
    def keys(self) -> list[str]:
        """What the subclass logs, without seconds."""

    @abc.abstractmethod
    def measure(
        self, objective: Objective, progress: ProgressOption
    ) -> tuple[Result, Sequence[float]]:
        """One measurement by the subclass.

        Args:
            objective: `Objective`, of the model as it is now.
            progress: Callable, to be called during the work: it may end it.

        Returns:
            The result, and the values of `keys`.

        Raises:
            NotDefinedYet: If there is nothing to measure at this point.
        """

    def write_histogram(
        self, writer: SpectrumWriter, result: Result, step: int
    ) -> None:
        """Writes a histogram, if the subclass has one."""

    def compile_ahead(self, objective: Objective) -> None:
        """Compiles what only measurements after the first one need."""

    def prepare(self) -> None:
        """Forgets an earlier training, and refuses what cannot be measured."""

    @property
    def results(self) -> list[Result]:
        """The full results, one per measurement."""
        return [record.result for record in self._records]

    @property
    def epochs(self) -> list[int]:
        """The epoch of each result, from 0 as in `History.epoch`."""
        return [record.epoch for record in self._records]

    @property
    def steps(self) -> list[int]:
        """Updates of the weights before each result."""
        return [record.step for record in self._records]

    def to_frame(self) -> pd.DataFrame:
        """One row per measurement.

        Returns:
            A DataFrame with the columns epoch, step, the keys of the logs,
            and seconds.
        """
        columns = ["epoch", "step", *self.keys(), "seconds"]
        rows = [
            (record.epoch, record.step, *record.values.values(), record.seconds)
            for record in self._records
        ]
        return pd.DataFrame(rows, columns=columns)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Builds the objective."""
        del logs
        began = time.perf_counter()
        self._records = []
        self._values = dict.fromkeys(self.keys(), _NAN)
        self._epoch = 0
        self._num_skipped = 0
        self._said: set[str] = set()
        if self.frequency != "epoch":
            self._counter = BatchCounter(self.frequency)
        self._budget.start()
        self.prepare()
        self._objective = objective_of(
            self.model, self.x, self.y, self._options
        )
        self._rehearse()
        self._seconds = time.perf_counter() - began
        self._budget.add(self._seconds, is_setup=True)

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Takes note of the epoch."""
        del logs
        self._epoch = epoch

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Measures if it is time, and writes into the logs."""
        # The first epoch decides on the columns of `CSVLogger`, and the first
        # value that `EarlyStopping` sees must not be NaN.
        if self.frequency == "epoch" or not self._records:
            self._measure_now(epoch)
        if logs is None:
            return
        values = {**self._values, f"{self.name}_seconds": self._seconds}
        if self._budget.is_limited:
            values[f"{self.name}_skipped"] = float(self._num_skipped)
        taken = sorted(values.keys() & logs.keys())
        if taken:
            self._say(
                f"There is another {taken[0]!r} in the logs, which stays. The "
                "values of this callback are in its `results`; for the logs "
                f"pass another `name`. Received: name={self.name!r}.",
                once="name",
            )
        logs.update(values | logs)
        self._seconds, self._num_skipped = 0.0, 0

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes TensorBoard's file and lets go of the data."""
        del logs
        self._objective = None
        if self._writer is not None:
            self._writer.close()

    def _rehearse(self) -> None:
        """Begins a measurement, and ends it after its first product.

        So options that do not go with the model, and layers that have no
        second derivative, are refused before an epoch was trained.
        """

        def end(done: int, total: int) -> None:
            del done, total
            raise _RehearsalEnds

        # Weights at which nothing is finite may yet be replaced, as by
        # `BackupAndRestore`; a measurement will say so.
        for rehearsal in (
            lambda: self.measure(self._objective, end),
            lambda: self.compile_ahead(self._objective),
        ):
            with contextlib.suppress(
                _RehearsalEnds, NotDefinedYet, FloatingPointError
            ):
                rehearsal()

    def _after_batch(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if self._counter.is_due(batch):
            self._measure_now(self._epoch)
        if logs is not None and self._records:
            logs.update(self._values)

    def _measure_now(self, epoch: int) -> None:
        if not _weights_are_finite(self.model):
            self._values = dict.fromkeys(self._values, _NAN)
            self._say(
                f"{self.name} is NaN: the weights are not finite.", once="NaN"
            )
            return
        if not self._budget.allows_another():
            self._skip("skipped")
            return
        began = time.perf_counter()

        def watch(done: int, total: int) -> None:
            del done, total
            self._budget.check(time.perf_counter() - began)

        measured = None
        try:
            measured = self.measure(self._objective, watch)
        except OutOfTime:
            self._skip("broken off")
        except NotDefinedYet as reason:
            self._say(
                f"{self.name} is not measured yet: {reason}.", once="not yet"
            )
        except Exception as error:
            # Whatever it is: what was trained so far is worth more.
            self._values = dict.fromkeys(self._values, _NAN)
            self._say(f"{self.name} is NaN: {_named(error)}", once="NaN")
        seconds = time.perf_counter() - began
        self._seconds += seconds
        self._budget.add(seconds)
        if measured is None:
            return
        result, values = measured
        step = step_of(self.model)
        self._values = dict(zip(self._values, map(float, values), strict=True))
        self._records.append(
            _Record(epoch, step, result, self._values, seconds)
        )
        if self._writer is not None:
            self._write_histogram(
                result, epoch if self.frequency == "epoch" else step
            )

    def _write_histogram(self, result: Result, step: int) -> None:
        try:
            self.write_histogram(self._writer, result, step)
        except Exception as error:
            # A full disk, say. The results are kept all the same.
            self._say(
                f"A histogram of {self.name} was not written: {_named(error)}",
                once="histogram",
            )

    def _skip(self, word: str) -> None:
        self._num_skipped += 1
        self._say(
            f"A measurement of {self.name} was {word} after "
            f"{len(self._records)} in epoch {self._epoch + 1} to keep within "
            f"{self._budget}. The logs keep the last value, and "
            f"{self.name}_skipped counts from here on.",
            once="skipped",
        )

    def _say(self, text: str, *, once: str) -> None:
        # A training may have a thousand epochs.
        if once not in self._said:
            self._said.add(once)
            warnings.warn(text, stacklevel=2)


def _weights_are_finite(model: keras.Model) -> bool:
    # Not by the device: 22 variables take 4 ms there, and 1 ms here.
    return all(
        bool(np.all(np.isfinite(np.asarray(tensor))))
        for tensor in map(
            keras.ops.convert_to_tensor, model.trainable_variables
        )
    )


def _named(error: Exception) -> str:
    """What an error says; of our own the words alone."""
    reason = short_reason(error)
    if isinstance(error, FloatingPointError):
        return reason
    return f"{type(error).__name__}: {reason}"
