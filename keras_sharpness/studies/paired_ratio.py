"""How many times larger one number of a pair is, as far as few pairs tell."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import scipy.special

_CONFIDENCE = 0.95
# Relative. What is measured in float32 agrees to no more digits, so a smaller
# spread of the ratios is rounding, or none: it says nothing of other seeds.
_LEAST_SPREAD = 1e-6


def student_quantile(num_samples: int) -> float:
    """Quantile of Student's t for a two-sided 95 % interval of a mean.

    Args:
        num_samples: Int. n, at least 2; n − 1 degrees of freedom.

    Returns:
        Float.
    """
    return float(
        scipy.special.stdtrit(num_samples - 1, 0.5 + _CONFIDENCE / 2.0)
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairedRatio:
    """The ratio b / a over pairs (a, b), with its confidence interval.

    `exp(m)` with the mean m of log(bᵢ / aᵢ), and `exp(m ± t s / √n)` with
    their deviation s and Student's t of n − 1 degrees of freedom: ratios
    spread alike upwards and downwards on the logarithm only, and a pair has
    its seed in common.

    Attributes:
        ratio: Float. Geometric mean of the ratios; NaN where a number is not
            positive.
        low: Float. Lower end of the 95 % interval, NaN where there is none.
        high: Float. Its upper end.
        num_pairs: Int. n.
        obstacle: Str. Why there is no interval, or `""`.

    Example:

    ```python
    from keras_sharpness.studies.paired_ratio import PairedRatio

    assert PairedRatio.of([1.0, 1.2, 0.9], [20.0, 25.0, 21.0]).side == 1
    assert PairedRatio.of([1.0, 1.0, 100.0], [2.0, 2.0, 2.0]).side == 0
    ```
    """

    ratio: float
    low: float
    high: float
    num_pairs: int
    obstacle: str = ""

    @classmethod
    def of(cls, first: Sequence[float], second: Sequence[float]) -> Self:
        """The ratio of the second numbers to the first.

        Args:
            first: Array (n,). What is divided by.
            second: Array (n,). What is divided.

        Returns:
            A `PairedRatio`.
        """
        a, b = (np.asarray(v, dtype=np.float64) for v in (first, second))
        nothing = {"low": np.nan, "high": np.nan, "num_pairs": len(a)}
        if not (np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)).all():
            return cls(
                ratio=np.nan, obstacle="not positive everywhere", **nothing
            )
        logs = np.log(b) - np.log(a)
        mean = float(np.mean(logs))
        if len(a) < 2:
            return cls(
                ratio=float(np.exp(mean)), obstacle="one pair", **nothing
            )
        deviation = float(np.std(logs, ddof=1))
        if deviation < _LEAST_SPREAD:
            return cls(
                ratio=float(np.exp(mean)),
                obstacle="the same in every seed, so nothing tells how it "
                "varies",
                **nothing,
            )
        margin = student_quantile(len(a)) * deviation / np.sqrt(len(a))
        with np.errstate(over="ignore"):
            low, high = np.exp([mean - margin, mean + margin])
        return cls(
            ratio=float(np.exp(mean)),
            low=float(low),
            high=float(high),
            num_pairs=len(a),
        )

    @property
    def side(self) -> int:
        """1 or −1 where the interval lies above or below 1, 0 elsewhere."""
        return int(self.low > 1.0) - int(self.high < 1.0)

    @property
    def inverse(self) -> "PairedRatio":
        """The ratio a / b."""
        return dataclasses.replace(
            self, ratio=1 / self.ratio, low=1 / self.high, high=1 / self.low
        )

    def __str__(self) -> str:
        """E.g. `"24.1 (16.2 to 35.9)"`."""
        if not np.isfinite(self.ratio):
            return f"no ratio, {self.obstacle}"
        if self.num_pairs < 2:
            return ratio_text(self.ratio)
        return f"{ratio_text(self.ratio)} ({self.interval()})"

    def interval(self) -> str:
        """The interval in words, or why there is none."""
        if self.obstacle:
            return self.obstacle
        return f"{ratio_text(self.low)} to {ratio_text(self.high)}"


def ratio_text(value: float, digits: int = 3) -> str:
    """A ratio with few digits, or as many as it takes to tell it from 1.

    Args:
        value: Float, positive.
        digits: Int. Significant ones.

    Returns:
        Str.
    """
    if not 1e-4 <= value < 1e6:
        return f"{value:.2g}"
    while digits < 8 and value != 1.0 == float(f"{value:.{digits}g}"):
        digits += 1
    return np.format_float_positional(float(f"{value:.{digits}g}"), trim="-")
