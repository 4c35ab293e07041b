"""A training trajectory on a plane, as `project_trajectory` returns it."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from keras_sharpness.results import Result


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ProjectedTrajectory(Result):
    """Where each checkpoint lies on a plane, and what that leaves out.

    Attributes:
        steps: Array (T,). The number of each checkpoint, such as its epoch.
        coordinates: Array (T, 2). α and β of the nearest point of the plane.
        distances: Array (T,). Euclidean distance of the checkpoint from the
            plane.
        losses: Dict from the data set's name to an array (T,): the loss of the
            checkpoint itself.
        plane_losses: The same at the nearest point of the plane, which is what
            a surface shows there.
        accuracies: Dict of arrays (T,) in [0, 1], of the checkpoint itself;
            without those whose targets are not classes.
        explained_variance: Array (2,). Shares of `Σ ‖θₜ − θ̄‖²` along the first
            direction of the plane, and along what is orthogonal to it.
        moving_statistics: Str. `"checkpoint"`, each one's own, `"objective"`,
            or the objective's batch-norm mode.
    """

    steps: np.ndarray
    coordinates: np.ndarray
    distances: np.ndarray
    losses: dict[str, np.ndarray]
    plane_losses: dict[str, np.ndarray]
    accuracies: dict[str, np.ndarray]
    explained_variance: np.ndarray
    moving_statistics: str
    num_evaluations: int
    seconds: float
    objectives: dict[str, dict[str, Any]]

    def to_frame(self) -> pd.DataFrame:
        """A row per checkpoint and data set.

        Columns: step, alpha, beta, distance, data, loss, plane_loss, accuracy.
        """
        nothing = np.full(len(self.steps), np.nan)
        frames = [
            pd.DataFrame(
                {
                    "step": self.steps,
                    "alpha": self.coordinates[:, 0],
                    "beta": self.coordinates[:, 1],
                    "distance": self.distances,
                    "data": name,
                    "loss": loss,
                    "plane_loss": self.plane_losses[name],
                    "accuracy": self.accuracies.get(name, nothing),
                }
            )
            for name, loss in self.losses.items()
        ]
        return pd.concat(frames, ignore_index=True)
