"""The numbers of a training."""

import dataclasses
from typing import Any

from keras_sharpness import arguments
from keras_sharpness.training.scaled_rate import Scaling

# Added later: where they are not asked for, settings are as they were.
_NEW = {
    "stop_loss": None,
    "learning_rate_scaling": "none",
    "base_batch_size": None,
    "warmup_epochs": 0,
}


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
    stop_loss: float | None = None
    learning_rate_scaling: Scaling = "none"
    base_batch_size: int | None = None
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        checked = {
            "batch_size": arguments.integer(
                "batch_size",
                self.batch_size,
                least=1,
                most=self.num_samples,
                remedy=f"Pass `batch_size={self.num_samples}` to train on the "
                "full batch.",
            ),
            "epochs": arguments.integer("epochs", self.epochs, least=1),
            "patience": arguments.integer(
                "patience", self.patience, least=1, optional=True
            ),
            "min_delta": arguments.real("min_delta", self.min_delta, least=0.0),
            "seed": arguments.seed(self.seed),
            "stop_loss": arguments.real(
                "stop_loss", self.stop_loss, optional=True
            ),
            "learning_rate_scaling": arguments.one_of(
                "learning_rate_scaling", self.learning_rate_scaling, Scaling
            ),
            "base_batch_size": arguments.integer(
                "base_batch_size", self.base_batch_size, least=1, optional=True
            ),
            "warmup_epochs": arguments.integer(
                "warmup_epochs", self.warmup_epochs, least=0
            ),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def num_batches(self, batch_size: int | None = None) -> int:
        """Batches of an epoch, a short last one included.

        Args:
            batch_size: Int. The epoch's, the first one's when left out.

        Returns:
            Int.
        """
        return -(-self.num_samples // (batch_size or self.batch_size))

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers, as far as they determine a training."""
        values = dataclasses.asdict(self)
        return {
            name: value
            for name, value in values.items()
            if name not in _NEW or value != _NEW[name]
        }
