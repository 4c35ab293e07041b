"""Batch sizes that grow where the gradient drowns in its noise."""

import dataclasses
import math

from keras_sharpness import arguments
from keras_sharpness.training.schedules.schedule import (
    BatchSizeSchedule,
    Probes,
    Row,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GrowByVariance(BatchSizeSchedule):
    """Batches that grow where the gradient's variance asks for it.

    The norm test of dynamic sampling: at the end of every epoch G, the
    gradient on n training samples, and V, the variance of one sample's
    gradient, are measured, V by the gradients of 16 parts of the n. The batch
    of size B grows when

    `V / B > θ² ‖G‖²`,

    to the least size at which this does not hold, or by `factor` where that is
    less. The gradients are those at inference: dropout is off and batch
    normalisation uses moving statistics. The history has the columns
    `gradient_variance` (V) and `squared_gradient` (‖G‖²).

    Args:
        theta: Float in (0, 1). θ, the relative error of the gradient that is
            allowed.
        initial: Int from 2. The batch size of the first epoch.
        factor: Float above 1. The most by which the batch grows at once.
        num_samples: Int. n, drawn once; all where there are fewer. ‖G‖² holds
            noise of V / n, so a size above n / θ² is never asked for.
        most: Int. The largest size; N by default.

    Example:

    ```python
    import keras_sharpness as ks

    schedule = ks.training.GrowByVariance(theta=0.5, initial=16)
    row = {
        "batch_size": 16,
        "gradient_variance": 10.0,
        "squared_gradient": 1.0,
    }
    assert schedule.next_size([row], num_samples=1000) == 32
    ```

    Reference:
        Byrd et al. 2012, https://doi.org/10.1007/s10107-012-0572-5, equations
        3.2 to 3.11; the authors measure on the batch itself.
    """

    theta: float = 0.5
    factor: float = 2.0
    num_samples: int = 4096
    most: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        theta = arguments.real("theta", self.theta, above=0.0, most=1.0)
        checked = {
            "initial": arguments.integer("initial", self.initial, least=2),
            "theta": theta,
            "factor": arguments.real("factor", self.factor, above=1.0),
            "num_samples": arguments.integer(
                "num_samples", self.num_samples, least=2
            ),
            "most": arguments.integer(
                "most", self.most, least=self.initial + 1, optional=True
            ),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def next_size(self, rows: list[Row], *, num_samples: int) -> int:
        """The least size that passes the test, if the present one does not."""
        if not rows:
            return self.initial
        last = rows[-1]
        size = int(last["batch_size"])
        limit = min(
            self.most or num_samples, num_samples, int(size * self.factor)
        )
        variance, squared = last["gradient_variance"], last["squared_gradient"]
        if squared == 0.0:
            return size if variance == 0.0 else max(size, limit)
        needed = math.ceil(min(variance / squared / self.theta**2, limit))
        return max(size, needed)

    def measure(self, probes: Probes) -> Row:
        """The gradient's variance and its squared norm."""
        variance, squared = probes.gradient_variance(self.num_samples)
        return {"gradient_variance": variance, "squared_gradient": squared}
