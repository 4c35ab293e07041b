"""Batch sizes that grow where the curvature falls."""

import dataclasses

from keras_sharpness import arguments
from keras_sharpness.training.schedules.schedule import (
    BatchSizeSchedule,
    Probes,
    Row,
)

# What the history's column `growth` says of the rule that fired.
NO_GROWTH, BY_CURVATURE, BY_WAITING = 0, 1, 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class GrowByCurvature(BatchSizeSchedule):
    """Batches that grow where the largest Hessian eigenvalue has fallen.

    At the end of every epoch λ, the largest eigenvalue of the Hessian on a
    few training samples, is measured. The batch grows by `factor` when

    `λ ≤ λ_ref / fall`,

    and λ takes the place of λ_ref, which is the first epoch's at first; or
    when `patience` epochs have passed since the last growth, and λ_ref stays.
    The history has the columns `curvature` and `growth`: 1 where the
    curvature let the batch grow, 2 where the waiting did, 0 elsewhere.

    The authors multiply the learning rate by the same factor, as
    `learning_rate_scaling="linear"` does, and train on adversaries too, which
    this schedule does not.

    Args:
        factor: Float above 1. Sizes are rounded down.
        fall: Float above 1.
        patience: Int. Epochs.
        num_samples: Int. Samples by which λ is measured, drawn once.
        initial: Int. The batch size of the first epoch.
        most: Int. The largest size; N by default, the authors' is
            `128 · initial`.

    Example:

    ```python
    import keras_sharpness as ks

    schedule = ks.training.GrowByCurvature(initial=16, patience=3)
    rows = [
        {"batch_size": 16, "curvature": 8.0},
        {"batch_size": 16, "curvature": 3.0},
    ]
    assert schedule.next_size(rows, num_samples=1000) == 32
    ```

    Reference:
        ABSA, Yao et al. 2018, https://arxiv.org/abs/1810.01021, algorithm 1.
    """

    factor: float = 2.0
    fall: float = 2.0
    patience: int = 10
    num_samples: int = 128
    most: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        checked = {
            "factor": arguments.real("factor", self.factor, above=1.0),
            "fall": arguments.real("fall", self.fall, above=1.0),
            "patience": arguments.integer("patience", self.patience, least=1),
            "num_samples": arguments.integer(
                "num_samples", self.num_samples, least=1
            ),
            "most": arguments.integer(
                "most", self.most, least=self.initial + 1, optional=True
            ),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def next_size(self, rows: list[Row], *, num_samples: int) -> int:
        """The size after the epochs done, from their curvatures."""
        if not rows:
            return self.initial
        size = int(rows[-1]["batch_size"])
        if self.rule(rows) == NO_GROWTH:
            return size
        limit = min(self.most or num_samples, num_samples)
        return min(int(size * self.factor), limit)

    def rule(self, rows: list[Row]) -> int:
        """Which rule lets the batch grow after the epochs done.

        Args:
            rows: List of dicts, one per epoch, with `curvature`.

        Returns:
            Int: 0 for none, 1 for the curvature, 2 for the waiting.
        """
        reference, waited, rule = rows[0]["curvature"], 0, NO_GROWTH
        for row in rows:
            waited += 1
            rule = NO_GROWTH
            if row["curvature"] <= reference / self.fall:
                reference, waited, rule = row["curvature"], 0, BY_CURVATURE
            elif waited >= self.patience:
                waited, rule = 0, BY_WAITING
        return rule

    def measure(self, probes: Probes) -> Row:
        """The largest eigenvalue."""
        return {"curvature": probes.largest_eigenvalue(self.num_samples)}

    def noted(self, rows: list[Row]) -> Row:
        """The rule that fired, for the history."""
        return {"growth": float(self.rule(rows))}
