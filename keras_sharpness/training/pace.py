"""What happens between two updates of an epoch."""

from keras_sharpness.training.scaled_rate import ScaledRate
from keras_sharpness.training.stop_check import StopCheck


class Pace:
    """Sets the learning rate, and checks the loss, where it is time to.

    Args:
        rate: `ScaledRate`, or None for a rate that is left alone.
        check: `StopCheck`, or None for a training that runs to its end.
        updates_before: Int. Updates before this epoch.
        batch_size: Int. The epoch's.
        num_batches: Int. The epoch's updates.
    """

    def __init__(
        self,
        rate: ScaledRate | None,
        check: StopCheck | None,
        *,
        updates_before: int,
        batch_size: int,
        num_batches: int,
    ):
        self._rate = rate
        self._check = check
        self._updates_before = updates_before
        self._batch_size = batch_size
        self._num_batches = num_batches
        self._checked_at = 0
        self._next_check = num_batches
        if check is not None:
            self._next_check = check.interval(num_batches)
        self.is_reached = False

    def before(self, done: int) -> int:
        """Prepares updates.

        Args:
            done: Int. Updates of this epoch so far.

        Returns:
            Int. How many may follow before the next question.
        """
        if self._rate is not None and self._rate.before(
            self._updates_before + done, self._batch_size
        ):
            return 1
        return max(1, self._next_check - done)

    def after(self, done: int) -> bool:
        """Whether the training is to stop here.

        Args:
            done: Int. Updates of this epoch so far.
        """
        if done >= min(self._next_check, self._num_batches):
            self.check(done)
        return self.is_reached

    def check(self, done: int) -> None:
        """Measures the loss, unless it was here already.

        Args:
            done: Int. Updates of this epoch so far.
        """
        if self._check is None or self._checked_at == done:
            return
        self.is_reached = self._check()
        self._checked_at = done
        self._next_check = done + self._check.interval(self._num_batches)
