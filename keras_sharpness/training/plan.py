"""The numbers of a training."""

import dataclasses
from typing import Any

from keras_sharpness.training import checks


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The numbers of a training, checked; `train` explains them.

    Raises:
        ValueError: If one is out of its range.
    """

    batch_size: int
    epochs: int
    num_samples: int
    num_validation_samples: int
    patience: int | None
    min_delta: float
    seed: int

    def __post_init__(self) -> None:
        self._set(
            "batch_size",
            checks.check_batch_size(self.batch_size, self.num_samples),
        )
        for name, minimum in (("epochs", 1), ("patience", 1), ("seed", 0)):
            value = getattr(self, name)
            if name != "patience" or value is not None:
                self._set(
                    name, checks.check_integer(name, value, minimum=minimum)
                )
        self._set(
            "min_delta",
            checks.check_number("min_delta", self.min_delta, minimum=0.0),
        )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def num_batches(self) -> int:
        """Batches of an epoch, a short last one included."""
        return -(-self.num_samples // self.batch_size)

    @property
    def num_updates(self) -> int:
        """Updates of all epochs."""
        return self.num_batches * self.epochs
