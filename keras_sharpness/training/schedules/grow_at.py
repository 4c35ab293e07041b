"""Batch sizes that grow at given epochs, or every so many."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from keras_sharpness import arguments
from keras_sharpness.training.schedules.schedule import BatchSizeSchedule, Row


@dataclasses.dataclass(frozen=True)
class GrowAt(BatchSizeSchedule):
    """Batches that grow at given epochs.

    Args:
        batch_sizes: Dict from an epoch, counted from 0, to the batch size from
            there on. The sizes grow; that of epoch 0 stands for `initial`.
        initial: Int. The batch size of the first epoch.

    Raises:
        ValueError: If the sizes do not grow.

    Example:

    ```python
    import keras_sharpness as ks

    schedule = ks.training.GrowAt({4: 64, 8: 256}, initial=16)
    sizes = schedule.sizes(num_samples=4000, epochs=10)
    assert sizes == [16] * 4 + [64] * 4 + [256] * 2
    ```

    Reference:
        Smith et al. 2018, https://arxiv.org/abs/1711.00489: growing batches
        in the place of falling learning rates.
    """

    batch_sizes: Mapping[int, int]

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.instance(
            "batch_sizes",
            self.batch_sizes,
            Mapping,
            "a dict from epochs to batch sizes",
            "Pass e.g. `{10: 256}`.",
        )
        milestones = {
            arguments.integer("batch_sizes", epoch, least=0): (
                arguments.integer("batch_sizes", size, least=1)
            )
            for epoch, size in self.batch_sizes.items()
        }
        milestones = {
            0: milestones.get(0, self.initial),
            **dict(sorted(milestones.items())),
        }
        sizes = list(milestones.values())
        if not self.batch_sizes or any(
            b <= a for a, b in itertools.pairwise(sizes)
        ):
            raise arguments.refuse(
                "batch_sizes",
                self.batch_sizes,
                f"sizes that grow from the initial {sizes[0]} on",
            )
        object.__setattr__(self, "initial", sizes[0])
        object.__setattr__(self, "batch_sizes", milestones)

    def next_size(self, rows: list[Row], *, num_samples: int) -> int:
        """The size of the last milestone that is reached."""
        del num_samples  # `check` has seen to it
        return max(
            size
            for epoch, size in self.batch_sizes.items()
            if epoch <= len(rows)
        )

    def check(self, *, num_samples: int, epochs: int) -> None:
        """Refuses sizes above N, and milestones that are never reached."""
        super().check(num_samples=num_samples, epochs=epochs)
        for size in self.batch_sizes.values():
            arguments.integer(
                "batch_sizes",
                size,
                most=num_samples,
                remedy=f"There are {num_samples} training samples.",
            )
        if not any(0 < epoch < epochs for epoch in self.batch_sizes):
            raise self.never_grows(epochs)

    def sizes(self, *, num_samples: int, epochs: int) -> list[int]:
        """The sizes of all epochs."""
        return [
            self.next_size([{}] * epoch, num_samples=num_samples)
            for epoch in range(epochs)
        ]

    @property
    def settings(self) -> dict[str, Any]:
        """The schedule in JSON's types."""
        names = {str(key): value for key, value in self.batch_sizes.items()}
        return {**super().settings, "batch_sizes": names}


@dataclasses.dataclass(frozen=True, kw_only=True)
class GrowEvery(BatchSizeSchedule):
    """Batches that grow by a factor every few epochs, up to a limit.

    Args:
        factor: Float above 1. Sizes are rounded down.
        epochs: Int. Epochs between two growths.
        initial: Int. The batch size of the first epoch.
        most: Int. The largest size; N by default.

    Example:

    ```python
    import keras_sharpness as ks

    schedule = ks.training.GrowEvery(factor=2, epochs=5, initial=128)
    sizes = schedule.sizes(num_samples=400, epochs=15)
    assert sizes == [128] * 5 + [256] * 5 + [400] * 5
    ```

    Reference:
        AdaBatch, Devarakonda et al. 2017, https://arxiv.org/abs/1712.02029,
        which also multiplies the learning rate.
    """

    factor: float = 2.0
    epochs: int = 5
    most: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        checked = {
            "factor": arguments.real("factor", self.factor, above=1.0),
            "epochs": arguments.integer("epochs", self.epochs, least=1),
            "most": arguments.integer(
                "most", self.most, least=self.initial + 1, optional=True
            ),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def next_size(self, rows: list[Row], *, num_samples: int) -> int:
        """`initial · factorᵏ` after k growths, at most the limit."""
        limit = min(self.most or num_samples, num_samples)
        size = self.initial * self.factor ** (len(rows) // self.epochs)
        return int(min(size, limit))

    def check(self, *, num_samples: int, epochs: int) -> None:
        """Refuses a training that ends before the first growth."""
        super().check(num_samples=num_samples, epochs=epochs)
        if len(set(self.sizes(num_samples=num_samples, epochs=epochs))) == 1:
            raise self.never_grows(epochs)

    def sizes(self, *, num_samples: int, epochs: int) -> list[int]:
        """The sizes of all epochs."""
        return [
            self.next_size([{}] * epoch, num_samples=num_samples)
            for epoch in range(epochs)
        ]
