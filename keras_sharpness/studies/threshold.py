"""The batch size beyond which a number falls, as far as the seeds tell."""

import dataclasses
import itertools
import math
from typing import Self

import numpy as np
import pandas as pd

from keras_sharpness.studies.critical_batch import interval_text
from keras_sharpness.studies.paired_ratio import ratio_text
from keras_sharpness.studies.profile_interval import ProfileInterval, centred

_LEVEL = 0.05
_MOST_PERMUTATIONS = 5000
_NUM_BREAKS = 41


@dataclasses.dataclass(frozen=True, kw_only=True)
class Threshold:
    """The batch size beyond which a number falls, with its interval.

    `y = aₛ − b max(0, log₂(B / B₀))`, b > 0, is fitted by least squares to the
    numbers y of trainings with batches B and seeds s: level up to the
    threshold B₀, and from there down by b with each doubling. That it falls at
    all is tested by permutations of the batch sizes within each seed, which
    assumes nothing of how the numbers spread.

    Attributes:
        size: Float. B₀; NaN where there is none.
        low: Float. Lower end of its 95 % interval, 0 where it is open: then
            the number may fall from the smallest batch on.
        high: Float. Its upper end, ∞ where it is open.
        fall: Float. b, per doubling of the batch.
        chance: Float. Share of permutations that fall as clearly.
        obstacle: Str. Why there is no threshold, or `""`.

    Example:

    ```python
    import pandas as pd
    from keras_sharpness.studies.threshold import Threshold

    rows = [
        {"seed": seed, "batch_size": size, "test_accuracy": value + seed / 900}
        for seed in range(3)
        for size, value in zip(
            (8, 16, 32, 64, 128, 256), (0.9, 0.91, 0.9, 0.9, 0.88, 0.86)
        )
    ]
    found = Threshold.of(pd.DataFrame(rows), "test_accuracy")
    assert 32 < found.size < 128
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Figure 4. The
        permutation test is Fisher's; the interval is that of Bates and Watts
        1988.
    """

    size: float
    low: float
    high: float
    fall: float
    chance: float
    obstacle: str = ""

    @classmethod
    def of(cls, frame: pd.DataFrame, column: str) -> Self:
        """The threshold of a column that is good where it is high.

        Args:
            frame: DataFrame, one row per training, with `seed`, `batch_size`
                and the column.
            column: Str.

        Returns:
            A `Threshold`.
        """
        frame = frame[np.isfinite(frame[column].astype(float))]
        seeds = frame["seed"].to_numpy()
        sizes = np.log2(frame["batch_size"].to_numpy(float))
        values = centred(frame[column].to_numpy(float), seeds)
        num_seeds = len(set(seeds))
        degrees = len(frame) - num_seeds - 2
        if num_seeds < 2:
            return cls._none("one seed cannot tell")
        if len(set(sizes)) < 3 or degrees < 1:
            return cls._none("it takes three batch sizes")
        start, end = sizes.min(), sizes.max()
        chance = _chance(values, sizes, seeds)
        if chance > _LEVEL:
            return cls._none(
                f"{num_seeds} seeds cannot tell whether it falls (chance "
                f"{chance:.2g})",
                chance,
            )

        def squares(place: float) -> float:
            hinge = centred(np.maximum(0.0, sizes - place), seeds)
            return float(values @ values - _reduction(values, hinge))

        # At the largest size nothing is left to fall.
        last = end - 1e-3 * (end - start)
        found = ProfileInterval.of(squares, start, last, degrees=degrees)
        hinge = centred(np.maximum(0.0, sizes - found.value), seeds)
        return cls(
            size=float(2.0**found.value),
            low=float(2.0**found.low),
            high=float(2.0**found.high),
            fall=float(-(values @ hinge) / (hinge @ hinge)),
            chance=chance,
        )

    @classmethod
    def _none(cls, obstacle: str, chance: float = np.nan) -> Self:
        return cls(
            size=np.nan,
            low=0.0,
            high=np.inf,
            fall=0.0,
            chance=chance,
            obstacle=obstacle,
        )

    def sentence(self, what: str, unit: str = "", factor: float = 1.0) -> str:
        """The threshold in words.

        Args:
            what: Str. What falls, e.g. `"test accuracy"`.
            unit: Str. Its unit, e.g. `"points"`.
            factor: Float. What its numbers are multiplied by.

        Returns:
            Str.
        """
        if self.obstacle:
            return f"No threshold of the {what}: {self.obstacle}."
        fall = f"{ratio_text(factor * self.fall)} {unit}".rstrip()
        where = interval_text(self.low, self.high)
        if self.low <= 0:
            return (
                f"The {what} falls with the batch size, by {fall} per "
                "doubling; the seeds cannot tell a threshold from a fall over "
                f"the whole range ({where})."
            )
        return (
            f"The {what} falls beyond a batch size of "
            f"{ratio_text(self.size)}, {where}, by {fall} per doubling."
        )


def _reduction(values: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """Of the sum of squares, by a fall along the hinge."""
    products = values @ hinge
    return np.where(products < 0, products**2, 0.0) / (hinge @ hinge)


def _chance(values: np.ndarray, sizes: np.ndarray, seeds: np.ndarray) -> float:
    """Share of permutations within the seeds that fall as clearly."""
    breaks = np.linspace(sizes.min(), sizes.max(), _NUM_BREAKS)[:-1]
    hinges = np.array(
        [centred(np.maximum(0.0, sizes - place), seeds) for place in breaks]
    )
    hinges /= np.linalg.norm(hinges, axis=1, keepdims=True)
    groups = [np.flatnonzero(seeds == seed) for seed in np.unique(seeds)]

    def clearness(order: np.ndarray) -> float:
        # Its square is what a fall takes of the sum of squares.
        return float(np.max(-(hinges @ values[order])))

    everything = np.arange(len(values))
    # Ties within rounding count as they would in exact arithmetic.
    least = clearness(everything) - 1e-12 * np.linalg.norm(values)
    total = math.prod(math.factorial(len(group)) for group in groups)
    if total <= _MOST_PERMUTATIONS:
        falls = []
        for orders in itertools.product(
            *(itertools.permutations(group) for group in groups)
        ):
            order = everything.copy()
            for group, shuffled in zip(groups, orders, strict=True):
                order[group] = shuffled
            falls.append(clearness(order) >= least)
        return float(np.mean(falls))
    generator = np.random.default_rng(0)
    count = 1
    for _ in range(_MOST_PERMUTATIONS - 1):
        order = everything.copy()
        for group in groups:
            order[group] = generator.permutation(group)
        count += clearness(order) >= least
    return count / _MOST_PERMUTATIONS
