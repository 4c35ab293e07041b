"""What results of the landscape have in common."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from keras_sharpness.landscape.data_names import unnamed
from keras_sharpness.results import Result


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Evaluated(Result):
    """Loss and accuracy at many points, for one data set or several.

    Attributes:
        losses: Dict from the data set's name to an array, one entry per point;
            NaN where it was not evaluated, a loss that is not finite as it is.
        accuracies: The same in [0, 1]; without those whose targets are not
            classes.
        num_evaluations: Int. Evaluations of all objectives together.
        seconds: Float. What they took.
        objectives: Dict from the data set's name to the objective's settings.
    """

    losses: dict[str, np.ndarray]
    accuracies: dict[str, np.ndarray]
    num_evaluations: int
    seconds: float
    objectives: dict[str, dict[str, Any]]

    def check(self) -> None:
        """Refuses values that are not of the data sets, or of one shape."""
        super().check()
        if not self.losses or not (
            self.accuracies.keys() <= self.losses.keys() == {*self.objectives}
        ):
            raise ValueError(
                f"losses of {', '.join(self.losses)}, accuracies of "
                f"{', '.join(self.accuracies)}, objectives of "
                f"{', '.join(self.objectives)}"
            )
        values = [*self.losses.values(), *self.accuracies.values()]
        shapes = {value.shape for value in values}
        if len(shapes) > 1 or any(v.dtype.kind not in "biuf" for v in values):
            raise ValueError(f"losses and accuracies of shapes {shapes}")

    @property
    def loss(self) -> Any:
        """Array, or a dict of them for several objectives."""
        return unnamed(self.losses, self.objectives)

    @property
    def accuracy(self) -> Any:
        """Array, a dict of them, or None where y is not a class."""
        return unnamed(self.accuracies, self.objectives)

    def _frame(
        self, points: Mapping[str, np.ndarray], where: Any = ...
    ) -> pd.DataFrame:
        """A row per point and data set.

        Args:
            points: The first columns: what tells the points apart.
            where: Index of these points in the arrays.
        """
        frames = []
        for name, loss in self.losses.items():
            accuracy = self.accuracies.get(name, np.full(loss.shape, np.nan))
            values = {"loss": loss[where], "accuracy": accuracy[where]}
            frames.append(pd.DataFrame({**points, "data": name, **values}))
        return pd.concat(frames, ignore_index=True)
