"""Loss along several directions, as `direction_bundle` returns it."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from keras_sharpness.landscape.evaluated import Evaluated


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DirectionBundle(Evaluated):
    """Loss and accuracy along D directions through one point.

    Attributes:
        alphas: Array (n,), ascending; 0 is the point itself.
        losses: Dict from the data set's name to an array (D, n); NaN where it
            was not evaluated, a loss that is not finite as it is.
        accuracies: The same in [0, 1]; without those whose targets are not
            classes.
        finished: Array (D, n), bool.
        groups: D str: the layer that a direction moves, or `"all layers"`.
        lengths: Array (D,): the Euclidean length of each direction.
        made: Dict. How the directions were found.
        moving_statistics: Str. `"center"`, those of the centre, `"objective"`,
            or the objective's batch-norm mode.
    """

    alphas: np.ndarray
    finished: np.ndarray
    groups: tuple[str, ...]
    lengths: np.ndarray
    made: dict[str, Any]
    moving_statistics: str

    @property
    def is_complete(self) -> bool:
        """Whether every point of every direction is evaluated."""
        return bool(self.finished.all())

    def to_frame(self) -> pd.DataFrame:
        """A row per direction, α and data set, of the points evaluated.

        Columns: direction, group, length, alpha, data, loss, accuracy.
        """
        direction, place = np.nonzero(self.finished)
        return self._frame(
            {
                "direction": direction,
                "group": np.array(self.groups, dtype=object)[direction],
                "length": self.lengths[direction],
                "alpha": self.alphas[place],
            },
            self.finished,
        )
