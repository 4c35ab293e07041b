"""Whether the loss on the whole training set has fallen far enough."""

from collections.abc import Callable

# As multiples of the target: below each of them a check is made twice as
# often. Small batches pass the target within an epoch, and two minima compare
# at an equal loss only.
_CLOSER = (5.0, 2.5, 1.5)


class StopCheck:
    """Stops a training at a given loss, checked more often near it.

    At the end of every epoch, and within it 2, 4 and 8 times as often while
    the last value lay below 5, 2.5 and 1.5 times the target.

    Args:
        evaluate: Callable without arguments that returns the loss on the whole
            training set, dropout off.
        target: Float. The loss to reach.

    Attributes:
        last: Float. The value found last, infinite before the first check.

    Reference:
        Dziugaite et al. 2020, https://arxiv.org/abs/2010.11924: training to
        an equal cross-entropy, checked more often as it comes near.
    """

    def __init__(self, evaluate: Callable[[], float], target: float):
        self._evaluate = evaluate
        self._target = target
        self.last = float("inf")

    def interval(self, num_batches: int) -> int:
        """Updates until the next check.

        Args:
            num_batches: Int. Updates in an epoch.

        Returns:
            Int, at least 1.
        """
        closer = sum(self.last <= c * self._target for c in _CLOSER)
        return max(1, num_batches // 2**closer)

    def __call__(self) -> bool:
        """Measures, and says whether the target is reached."""
        self.last = self._evaluate()
        return self.last <= self._target
