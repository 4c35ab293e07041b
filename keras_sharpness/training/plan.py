"""The numbers of a training."""

import dataclasses

from keras_sharpness import arguments


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
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def num_batches(self) -> int:
        """Batches of an epoch, a short last one included."""
        return -(-self.num_samples // self.batch_size)

    @property
    def num_updates(self) -> int:
        """Updates of all epochs."""
        return self.num_batches * self.epochs
