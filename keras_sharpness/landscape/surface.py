"""Loss and accuracy on a plane, as `loss_surface` returns them."""

import dataclasses
from typing import Any, Self

import numpy as np
import pandas as pd

from keras_sharpness.landscape.coarse_to_fine import grid_levels, levels
from keras_sharpness.landscape.evaluated import Evaluated


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LossSurface(Evaluated):
    """Loss and accuracy on a grid of a plane, complete or in part.

    Attributes:
        alphas: Array (n,), ascending.
        betas: Array (m,), ascending.
        losses: Dict from the data set's name to an array (m, n): one row per
            β, NaN where it is not evaluated yet; a loss that is not finite
            stays as it is.
        accuracies: The same in [0, 1]; without those whose targets are not
            classes.
        finished: Array (m, n), bool.
        plane: Dict. What the plane is: its basis, labels, the names of the
            models on it and their places (`anchors`), the directions' lengths
            and cosine, the explained variance, and how it was made.
        moving_statistics: Str. Which BatchNormalization used at a grid point:
            `"plane"`, the centre's own, or the mixture of three models';
            `"objective"`, those of the objective's model; or the objective's
            batch-norm mode.
        num_evaluations: Int. Evaluations of all objectives together.
        seconds: Float. What they took, also before an interruption.
        fingerprint: Dict. What the values depend on; empty where no file was
            asked for.
    """

    alphas: np.ndarray
    betas: np.ndarray
    finished: np.ndarray
    plane: dict[str, Any]
    moving_statistics: str
    fingerprint: dict[str, Any] = dataclasses.field(default_factory=dict)

    def check(self) -> None:
        """Refuses a grid whose values are of another shape."""
        super().check()
        shape = (*self.betas.shape, *self.alphas.shape)
        shapes = {shape, self.finished.shape}
        shapes |= {value.shape for value in self.losses.values()}
        if len(shapes) > 1 or self.finished.dtype != bool:
            raise ValueError(f"a grid and values of shapes {shapes}")

    @property
    def is_complete(self) -> bool:
        """Whether every point of the grid is evaluated."""
        return bool(self.finished.all())

    def coarse(self) -> Self:
        """The finest complete grid among the points that are evaluated.

        Returns:
            A complete `LossSurface` of fewer points; itself if complete.

        Raises:
            ValueError: If not even the coarsest grid, of 3 × 3, is complete.
        """
        if self.is_complete:
            return self
        stage = grid_levels(*self.finished.shape)
        done = int(stage[~self.finished].min()) - 1
        if done < 0:
            raise ValueError(
                f"Only {int(self.finished.sum())} points of the surface are "
                "evaluated, and no coarse grid is complete. Let `loss_surface` "
                "go on."
            )
        rows = levels(len(self.betas)) <= done
        columns = levels(len(self.alphas)) <= done

        def part(values: np.ndarray) -> np.ndarray:
            return values[np.ix_(rows, columns)]

        return dataclasses.replace(
            self,
            alphas=self.alphas[columns],
            betas=self.betas[rows],
            losses={k: part(v) for k, v in self.losses.items()},
            accuracies={k: part(v) for k, v in self.accuracies.items()},
            finished=part(self.finished),
        )

    def to_frame(self) -> pd.DataFrame:
        """A row per evaluated point and data set: alpha, beta, data, …."""
        beta, alpha = np.meshgrid(self.betas, self.alphas, indexing="ij")
        points = {"alpha": alpha[self.finished], "beta": beta[self.finished]}
        return self._frame(points, self.finished)
