"""How much two accuracies differ, as far as seeds and samples tell."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np

from keras_sharpness.studies.paired_ratio import student_quantile

# Points. A smaller spread is the same difference in every seed.
_LEAST_SPREAD = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairedAccuracy:
    """The difference of two accuracies over pairs of one seed each.

    The mean of the differences, and Student's interval over the seeds. An
    accuracy is a count of N samples; where the seeds spread by less than the
    deviation of a difference of two such counts, √((p₁ q₁ + p₂ q₂) / N) with
    p = (k + 1) / (N + 2) and q = 1 − p, that takes its place.

    Attributes:
        gap: Float. Second minus first, in percentage points.
        margin: Float. Half of the 95 % confidence interval, NaN for one pair
            or where nothing tells how the difference varies.
        num_pairs: Int.
        note: Str. What the interval rests on if not on the seeds, or `""`.

    Example:

    ```python
    from keras_sharpness.studies.paired_accuracy import PairedAccuracy

    found = PairedAccuracy.of([0.90, 0.91, 0.92], [0.93, 0.95, 0.94])
    assert round(found.gap, 2) == 3.0 and found.side == 1
    ```

    Reference:
        Agresti and Caffo 2000, https://doi.org/10.1080/00031305.2000.10474560.
    """

    gap: float
    margin: float
    num_pairs: int
    note: str = ""

    @classmethod
    def of(
        cls,
        first: Sequence[float],
        second: Sequence[float],
        *,
        num_test: int | None = None,
    ) -> Self:
        """The difference between two sequences of accuracies in [0, 1].

        Args:
            first: Array (n,). What is subtracted.
            second: Array (n,).
            num_test: Int. N, or None where it is not known.

        Returns:
            A `PairedAccuracy`.
        """
        a, b = (100 * np.asarray(v, dtype=float) for v in (first, second))
        gaps = b - a
        count, gap, note = len(gaps), float(gaps.mean()), ""
        if count == 1:
            return cls(gap=gap, margin=np.nan, num_pairs=1)
        deviation = float(gaps.std(ddof=1))
        if num_test:
            resolved = 100 * np.sqrt(
                sum(_count_variance(v.mean() / 100, num_test) for v in (a, b))
            )
            if deviation < resolved:
                note = (
                    f"The seeds differ by less ({deviation:.2g} points) than "
                    f"{num_test:,} test samples resolve ({resolved:.2g} "
                    "points), so the interval is built from the latter."
                )
                deviation = float(resolved)
        elif deviation < _LEAST_SPREAD:
            return cls(gap=gap, margin=np.nan, num_pairs=count)
        margin = student_quantile(count) * deviation / np.sqrt(count)
        return cls(gap=gap, margin=float(margin), num_pairs=count, note=note)

    @property
    def side(self) -> int:
        """1 or −1 where the interval lies above or below 0, 0 elsewhere."""
        if not np.isfinite(self.margin) or abs(self.gap) <= self.margin:
            return 0
        return 1 if self.gap > 0 else -1

    def interval(self) -> str:
        """The interval in words, e.g. `"-3.39 to -0.25"`."""
        low, high = self.gap - self.margin, self.gap + self.margin
        return f"{low:+.2f} to {high:+.2f}"


def _count_variance(share: float, number: int) -> float:
    adjusted = (share * number + 1) / (number + 2)
    return adjusted * (1 - adjusted) / number
