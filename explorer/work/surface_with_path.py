"""A loss surface, and the way of a training on it."""

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from keras_sharpness.landscape import LossSurface, ProjectedTrajectory


@dataclasses.dataclass(frozen=True)
class SurfaceWithPath:
    """A surface, and the training's way on it where there is one."""

    surface: "LossSurface"
    trajectory: "ProjectedTrajectory | None" = None

    def to_dict(self) -> dict[str, Any]:
        """Both, as `Result.to_dict` gives them."""
        values = {"surface": self.surface.to_dict()}
        if self.trajectory is not None:
            values["trajectory"] = self.trajectory.to_dict()
        return values

    def to_frame(self) -> pd.DataFrame:
        """One row per point of the grid."""
        return self.surface.to_frame()
