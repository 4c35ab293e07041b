"""When a callback is due, and how long it may take."""

import time
from typing import Literal

import keras

from keras_sharpness import arguments

Frequency = Literal["epoch"] | int


def check_frequency(frequency: Frequency) -> Frequency:
    """`frequency`, if it is one.

    Args:
        frequency: `"epoch"`, or a positive integer.

    Returns:
        The frequency.

    Raises:
        ValueError: For anything else.
    """
    if isinstance(frequency, str) and frequency == "epoch":
        return frequency
    return arguments.integer(
        "frequency",
        frequency,
        least=1,
        remedy="Pass a number of batches, or 'epoch'.",
    )


class BatchCounter:
    """Counts batches, several of which may come at once.

    With `steps_per_execution` Keras tells of every so many batches only, and
    numbers them anew in each epoch.

    Args:
        frequency: Int. n.
        done: Int. Batches that have passed already, before an interruption.
    """

    def __init__(self, frequency: int, *, done: int = 0):
        self._frequency = frequency
        self._count = done % frequency
        self._last_batch = -1

    def is_due(self, batch: int) -> bool:
        """Whether n more batches have passed with this one.

        Args:
            batch: Int. Its number within the epoch, from 0.

        Returns:
            Bool.
        """
        if batch <= self._last_batch:
            self._last_batch = -1
        self._count += batch - self._last_batch
        self._last_batch = batch
        is_due = self._count >= self._frequency
        # What is beyond n counts for the next time.
        self._count %= self._frequency
        return is_due


def step_of(model: keras.Model) -> int:
    """Updates of the weights so far.

    Args:
        model: Compiled `keras.Model`.

    Returns:
        Int.
    """
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


class OutOfTime(Exception):
    """A measurement was broken off, because `max_seconds` had passed."""


class Budget:
    """The time that measurements may take of one training.

    Args:
        max_seconds: Float, or None. For all measurements together.
        max_share: Float, or None. Share of the time since the training began
            in which nothing was measured. The set-up, which compiles, is not
            counted, and the first measurement is made in any case.

    Raises:
        ValueError: If a limit is not positive.
    """

    def __init__(self, max_seconds: float | None, max_share: float | None):
        remedy = "Leave it out to measure without a limit."
        self.max_seconds, self.max_share = (
            arguments.real(name, value, above=0.0, optional=True, remedy=remedy)
            for name, value in (
                ("max_seconds", max_seconds),
                ("max_share", max_share),
            )
        )
        self.start()

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return self.max_seconds is not None or self.max_share is not None

    def start(self) -> None:
        """Begins a training."""
        self._began = time.perf_counter()
        self._spent = 0.0
        self._setup = 0.0
        self._last: float | None = None

    def add(self, seconds: float, *, is_setup: bool = False) -> None:
        """Takes note of what was spent."""
        self._spent += seconds
        if is_setup:
            self._setup += seconds
        else:
            self._last = seconds

    def allows_another(self) -> bool:
        """Whether a measurement as long as the last one still fits."""
        # Nothing is known before the first one, which may be broken off.
        expected = self._last or 0.0
        if (
            self.max_seconds is not None
            and self._spent + expected >= self.max_seconds
        ):
            return False
        if self.max_share is None or self._last is None:
            return True
        trained = time.perf_counter() - self._began - self._spent
        counted = self._spent - self._setup
        return counted + expected <= self.max_share * trained

    def check(self, seconds: float) -> None:
        """Ends a measurement that has lasted too long.

        Args:
            seconds: Float. Since it began.

        Raises:
            OutOfTime: If `max_seconds` have passed.
        """
        if (
            self.max_seconds is not None
            and self._spent + seconds > self.max_seconds
        ):
            raise OutOfTime

    def __str__(self) -> str:
        return ", ".join(
            f"{name}={value}"
            for name, value in (
                ("max_seconds", self.max_seconds),
                ("max_share", self.max_share),
            )
            if value is not None
        )
