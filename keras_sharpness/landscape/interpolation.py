"""Loss and accuracy along a path, as `interpolate` returns them."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from keras_sharpness.landscape.data_names import unnamed
from keras_sharpness.landscape.evaluated import Evaluated
from keras_sharpness.result_types import lengths_agree


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Interpolation(Evaluated):
    """Loss and accuracy along a path, for one data set or several.

    Attributes:
        alphas: Array (n,). 0 is the start, 1 the end.
        losses: Dict from the data set's name to an array (n,); a loss that is
            not finite stays as it is.
        accuracies: Dict from the data set's name to an array (n,) in [0, 1];
            without those whose targets are not classes.
        barriers: Dict from the data set's name to a float: the largest excess
            of the loss over the straight line between its two ends, for α in
            [0, 1] (Entezari et al. 2022); 0 where there is none.
        distance: Float. ‖end − start‖₂ of the weights.
        moving_statistics: Str. `"interpolated"` between the ends' own, or
            `"objective"` for those of the objective's model (ends given as
            vectors bring none), or the objective's batch-norm mode.
    """

    alphas: np.ndarray
    barriers: dict[str, float]
    path: str
    distance: float
    moving_statistics: str

    def check(self) -> None:
        """Refuses points and losses of several lengths."""
        super().check()
        lengths_agree(alphas=self.alphas, losses=self.losses)
        if self.barriers.keys() != self.losses.keys():
            raise ValueError(f"barriers of {', '.join(self.barriers)}")

    @property
    def barrier(self) -> Any:
        """Float, or a dict of them for several objectives."""
        return unnamed(self.barriers, self.objectives)

    def to_frame(self) -> pd.DataFrame:
        """One row per α and data set: alpha, data, loss, accuracy."""
        return self._frame({"alpha": self.alphas})
