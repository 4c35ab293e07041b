"""What all schedules of the batch size have in common."""

import abc
import dataclasses
from typing import Any, Protocol

from keras_sharpness import arguments

# A row of the history: the epoch's batch size, and what a schedule measured.
Row = dict[str, float]


class Probes(Protocol):
    """What a schedule may ask of the model at the end of an epoch."""

    def largest_eigenvalue(self, num_samples: int) -> float:
        """Of the Hessian on so many training samples."""

    def gradient_variance(self, num_samples: int) -> tuple[float, float]:
        """`1/(n − 1) Σ ‖gᵢ − G‖²` and ‖G‖² on so many training samples."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchSizeSchedule(abc.ABC):
    """The batch size of every epoch, from the epochs before.

    A schedule has no memory: the size follows from the rows of the history,
    so that a training that goes on from a checkpoint grows as it would have.

    Args:
        initial: Int. The batch size of the first epoch.
    """

    initial: int = 64

    def __post_init__(self) -> None:
        initial = arguments.integer("initial", self.initial, least=1)
        object.__setattr__(self, "initial", initial)

    @abc.abstractmethod
    def next_size(self, rows: list[Row], *, num_samples: int) -> int:
        """The batch size of the epoch after those done.

        Args:
            rows: List of dicts, one per epoch done, with `batch_size` and
                what `measure` returned.
            num_samples: Int. N, the largest size there is.

        Returns:
            Int.
        """

    def check(self, *, num_samples: int, epochs: int) -> None:
        """Refuses what cannot grow in a training of this length.

        Args:
            num_samples: Int. N.
            epochs: Int. The most epochs.

        Raises:
            ValueError: If a size exceeds N, or the size never grows.
        """
        del num_samples, epochs

    def sizes(self, *, num_samples: int, epochs: int) -> list[int] | None:
        """The sizes of all epochs, or None where measurements decide them.

        Args:
            num_samples: Int. N.
            epochs: Int. Number of epochs.

        Returns:
            List of int, or None.
        """
        del num_samples, epochs
        return None

    def measure(self, probes: Probes) -> Row:
        """What the next size depends on, measured at the end of an epoch.

        Args:
            probes: `Probes` of the model as it is.

        Returns:
            Dict of floats that becomes part of the epoch's row.
        """
        del probes
        return {}

    def noted(self, rows: list[Row]) -> Row:
        """What is said of the decision after the epochs done.

        Args:
            rows: List of dicts, one per epoch done.

        Returns:
            Dict of floats that becomes part of the last row.
        """
        del rows
        return {}

    @property
    def settings(self) -> dict[str, Any]:
        """The schedule in JSON's types."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }
        return {"class": type(self).__name__, **values}

    def never_grows(self, epochs: int) -> ValueError:
        """The error of a schedule under which the batch stays as it is.

        Args:
            epochs: Int. The most epochs.

        Returns:
            A `ValueError` to raise.
        """
        return arguments.refuse(
            "batch_size",
            self,
            f"a schedule that grows within {epochs} epochs",
            "Let it grow earlier, train longer, or pass an integer.",
        )
