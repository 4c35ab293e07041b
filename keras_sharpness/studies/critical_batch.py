"""The batch size at which twice the samples no longer save half the updates."""

import dataclasses
from typing import Self

import numpy as np
import pandas as pd

from keras_sharpness.studies.paired_ratio import ratio_text
from keras_sharpness.studies.profile_interval import ProfileInterval, centred

# How far beyond the batch sizes tried it is looked for.
_BEYOND = 100.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CriticalBatch:
    """The critical batch size of trainings to one loss, with its interval.

    `S(B) = S_min (1 + B_crit / B)` is fitted to the updates S that trainings
    with batches B took, by least squares of their logarithms with an S_min of
    each seed's own. Far below B_crit twice the batch needs half the updates,
    far above it saves none.

    Attributes:
        size: Float. B_crit; NaN where it was not found.
        low: Float. Lower end of its 95 % interval, 0 where it is open.
        high: Float. Its upper end, ∞ where it is open.
        least_updates: Float. S_min, geometric mean over the seeds.
        misfit: Float. Factor by which the updates differ from the fit, as the
            exponential of the residual standard deviation.
        num_trainings: Int.
        obstacle: Str. Why there is none, or `""`.

    Example:

    ```python
    import pandas as pd
    from keras_sharpness.studies.critical_batch import CriticalBatch

    sizes = [8, 32, 128, 512]
    updates = [100 * (1 + 64 / size) for size in sizes]
    frame = pd.DataFrame(
        {"seed": 0, "batch_size": sizes, "updates": updates}
    )
    assert round(CriticalBatch.of(frame).size) == 64
    ```

    Reference:
        McCandlish et al. 2018, https://arxiv.org/abs/1812.06162, equation 2.7
        (their S and E are the updates and samples of one loss).
    """

    size: float
    low: float
    high: float
    least_updates: float
    misfit: float
    num_trainings: int
    obstacle: str = ""

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """The fit to trainings that reached one loss.

        Args:
            frame: DataFrame, one row per training, with `seed`, `batch_size`
                and `updates`.

        Returns:
            A `CriticalBatch`.
        """
        seeds = frame["seed"].to_numpy()
        sizes = frame["batch_size"].to_numpy(float)
        logs = np.log(frame["updates"].to_numpy(float))
        degrees = len(frame) - len(set(seeds)) - 1
        if len(set(sizes)) < 3 or degrees < 1:
            return cls._none("it takes three batch sizes that reach the loss")

        def curve(log_size: float) -> np.ndarray:
            return np.log1p(np.exp(log_size) / sizes)

        def squares(log_size: float) -> float:
            return float(np.sum(centred(logs - curve(log_size), seeds) ** 2))

        start = np.log(sizes.min() / _BEYOND)
        end = np.log(sizes.max() * _BEYOND)
        found = ProfileInterval.of(squares, start, end, degrees=degrees)
        misfit = float(np.exp(np.sqrt(found.residual / degrees)))
        if np.isinf(found.low) and np.isinf(found.high):
            return cls._none("the updates do not tell", len(frame), misfit)
        if found.value - start < 1e-6:
            return cls._none(
                "the updates do not fall with the batch", len(frame), misfit
            )
        if end - found.value < 1e-6:
            return cls._none(
                "the updates fall as the batch grows, up to the largest",
                len(frame),
                misfit,
            )
        return cls(
            size=float(np.exp(found.value)),
            low=float(np.exp(found.low)),
            high=float(np.exp(found.high)),
            least_updates=float(np.exp(np.mean(logs - curve(found.value)))),
            misfit=misfit,
            num_trainings=len(frame),
        )

    @classmethod
    def _none(
        cls, obstacle: str, number: int = 0, misfit: float = np.nan
    ) -> Self:
        return cls(
            size=np.nan,
            low=0.0,
            high=np.inf,
            least_updates=np.nan,
            misfit=misfit,
            num_trainings=number,
            obstacle=obstacle,
        )

    def __str__(self) -> str:
        """One sentence."""
        if self.obstacle:
            return f"No critical batch size: {self.obstacle}."
        return (
            f"Critical batch size {ratio_text(self.size)}, "
            f"{interval_text(self.low, self.high)}, from S(B) = S_min (1 + "
            f"B_crit / B) with S_min = {ratio_text(self.least_updates)} "
            f"updates; {self.num_trainings} trainings differ from it by a "
            f"factor of {ratio_text(self.misfit)}."
        )


def interval_text(low: float, high: float) -> str:
    """A 95 % interval of batch sizes in words.

    Args:
        low: Float; 0 for open.
        high: Float; ∞ for open.

    Returns:
        Str.
    """
    name = "95 % confidence interval"
    if low <= 0 and np.isinf(high):
        return f"{name} open on both sides"
    if low <= 0:
        return f"{name} up to {ratio_text(high)}, open below"
    if np.isinf(high):
        return f"{name} from {ratio_text(low)}, open above"
    return f"{name} {ratio_text(low)} to {ratio_text(high)}"
