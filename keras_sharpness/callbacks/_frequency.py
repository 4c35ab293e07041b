"""When a callback is due: after every epoch, or after every n batches."""

from typing import Literal

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
