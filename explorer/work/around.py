"""The loss on a plane, and along random directions, around a minimum."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from work.architecture import is_renamed, num_moving
from work.jobs import Job
from work.loaded import LOADED
from work.request import Request, arguments, by_name_code, models_code

if TYPE_CHECKING:
    from keras_sharpness.landscape import (
        DirectionBundle,
        LossSurface,
        ProjectedTrajectory,
    )

PLANES = ("random", "hessian", "trajectory", "models")
NORMALIZATIONS = ("filter", "layer", "weight", "none")
_PLANE_CODE = {
    "random": "ks.landscape.random_plane(\n"
    "    objective, normalization={normalization!r}, ignore={ignore!r},\n"
    "    seed={seed}\n)",
    "hessian": "ks.landscape.hessian_plane(objective, seed={seed})",
    "trajectory": "ks.landscape.trajectory_plane(objective, points)",
    "models": "ks.landscape.plane_through(\n"
    "    objective, [model, second, third], names={names!r}\n)",
}


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


class Around(Request):
    """What is measured around a minimum."""

    @property
    def stored_name(self) -> str:
        """What a run's folder calls it."""
        return self.kind

    def stored_settings(self) -> dict[str, Any]:
        """What it was asked for with, wherever the folder lies."""
        settings = self.settings()
        settings.pop("trajectory", None)
        return settings


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Surface(Around):
    """The loss on a grid in a plane.

    Attributes:
        plane: Str, a key of `PLANES`.
        num_points: Int, along each side.
        span: Float. The grid goes from −span to span; on the planes of a
            training and of three minima, around what they show.
        normalization: Str, of random directions.
        ignore: Str, of random directions.
        split: Str. `"train"` or `"test"`.
        trajectory: Str. Folder of a training's checkpoints.
    """

    kind = "surface"
    title = "Loss surface"
    plane: str = "random"
    num_points: int = 25
    span: float = 1.0
    normalization: str = "filter"
    ignore: str = "bias-and-norm"
    split: str = "train"
    seed: int = 0
    trajectory: str = ""

    def work(self) -> dict[str, int]:
        """The points of the grid, and what finding the plane takes."""
        work = {"evaluation": self.num_points**2}
        if self.plane == "hessian":
            # For the directions of the plane.
            work["product"] = 30
        if self.plane == "trajectory":
            # Each checkpoint as it is, and where it lies on the plane.
            files = pathlib.Path(self.trajectory).glob("checkpoint-*")
            work["evaluation"] += 2 * len(list(files))
        return work

    def run(self, job: Job) -> SurfaceWithPath:
        """Evaluates the grid, coarse points first; a stop keeps them."""
        objective = LOADED.objectives(self.minima[0], self.data, job)[
            self.split
        ]
        # Where that takes steps, they are products of the Hessian.
        job.stage("Choosing the plane", unit="product")
        from keras_sharpness import landscape

        points = self._points(job)
        plane = self._plane(landscape, objective, points, job)
        options = {"num_points": self.num_points}
        if self.plane in ("random", "hessian"):
            side = np.linspace(-self.span, self.span, self.num_points)
            options = {"alphas": side, "betas": side}
        job.stage("Coarse grid first", unit="evaluation")
        surface = None
        for surface in landscape.surface_stages(
            objective,
            plane,
            **options,
            path=self.resumed_from(job.folder),
            # An exception instead would lose the point it is at.
            stop=job.is_stopping,
            progress=job.count,
        ):
            job.show(SurfaceWithPath(surface))
        if self.plane != "trajectory":
            return SurfaceWithPath(surface)
        job.stage("Losses of the checkpoints", unit="evaluation")
        return SurfaceWithPath(
            surface,
            landscape.project_trajectory(
                objective, plane, points, progress=job.step
            ),
        )

    def _points(self, job: Job) -> list[Any]:
        if self.plane == "models":
            return [LOADED.model(minimum, job) for minimum in self.minima]
        if self.plane != "trajectory":
            return []
        from keras_sharpness.callbacks import SavedTrajectory

        return [point.weights for point in SavedTrajectory(self.trajectory)]

    def _plane(
        self, landscape: Any, objective: Any, points: list[Any], job: Job
    ) -> Any:
        if self.plane == "random":
            return landscape.random_plane(
                objective,
                normalization=self.normalization,
                ignore=self.ignore,
                name=self.minima[0].name,
                seed=self.seed,
            )
        if self.plane == "hessian":
            return landscape.hessian_plane(
                objective,
                name=self.minima[0].name,
                seed=self.seed,
                progress=job.step,
            )
        if self.plane == "trajectory":
            return landscape.trajectory_plane(objective, points)
        return landscape.plane_through(
            objective, points, names=tuple(m.name for m in self.minima)
        )

    def setup_code(self) -> str:
        """Lines that open the models and make `objective`."""
        names = dict(
            zip(("model", "second", "third"), self.minima, strict=False)
        )
        lines = [
            models_code(names),
            self.data.code(self.minima[0], (self.split,)),
            f"objective = {self.split}",
        ]
        if self.plane == "trajectory":
            lines += [
                "checkpoints = ks.callbacks.SavedTrajectory("
                f"{self.trajectory!r})",
                "points = [checkpoint.weights for checkpoint in checkpoints]",
            ]
        return "\n".join(lines)

    def code(self, variable: str) -> str:
        """Lines that choose the plane and evaluate its grid."""
        plane = _PLANE_CODE[self.plane].format(
            **self.settings(), names=tuple(m.name for m in self.minima)
        )
        grid = f"num_points={self.num_points}"
        if self.plane in ("random", "hessian"):
            side = (
                f"np.linspace({-self.span:g}, {self.span:g}, {self.num_points})"
            )
            grid = f"alphas={side},\n    betas={side}"
        return (
            f"plane = {plane}\n"
            f"{variable} = ks.landscape.loss_surface(\n"
            f"    objective, plane,\n    {grid},\n)"
        )

    @staticmethod
    def chart_code(
        variables: dict[str, Request], options: Mapping[str, Any]
    ) -> str:
        """Lines that draw the surface."""
        ((variable, request),) = variables.items()
        more = arguments(options)
        if request.plane != "trajectory":
            return f"chart = ks.charts.surface_chart({variable}{more})"
        return (
            "trajectory = ks.landscape.project_trajectory("
            "objective, plane, points)\n"
            "chart = ks.charts.surface_chart(\n"
            f"    {variable}, trajectory=trajectory{more}\n)"
        )

    @property
    def stored_name(self) -> str:
        """What a run's folder calls it, by the kind of plane."""
        return f"surface-{self.plane}"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Bundle(Around):
    """The loss along many random directions through a minimum."""

    kind = "bundle"
    title = "Random directions"
    num_directions: int = 10
    num_points: int = 25
    span: float = 1.0
    normalization: str = "filter"
    ignore: str = "bias-and-norm"
    split: str = "train"
    by_layer: bool = False
    seed: int = 0

    def work(self) -> dict[str, int]:
        """The points of all directions."""
        count = self.num_directions * self.num_points
        if self.by_layer:
            everything = self.ignore == "none"
            count *= num_moving(self.minima[0], everything=everything)
        return {"evaluation": count}

    def run(self, job: Job) -> "DirectionBundle":
        """Evaluates direction after direction."""
        objective = LOADED.objectives(self.minima[0], self.data, job)[
            self.split
        ]
        job.stage("Random directions", unit="evaluation")
        from keras_sharpness.landscape import direction_bundle

        return direction_bundle(
            objective,
            num_directions=self.num_directions,
            alphas=np.linspace(-self.span, self.span, self.num_points),
            normalization=self.normalization,
            ignore=self.ignore,
            layers="each" if self.by_layer else None,
            seed=self.seed,
            progress=job.step,
        )

    def setup_code(self) -> str:
        """Lines that open the model and make its objective."""
        return "\n".join(
            [
                models_code({"model": self.minima[0]}),
                self.data.code(self.minima[0], (self.split,)),
            ]
        )

    def code(self, variable: str) -> str:
        """Lines that evaluate the directions."""
        layers = '    layers="each",\n' if self.by_layer else ""
        return (
            f"{variable} = ks.landscape.direction_bundle(\n"
            f"    {self.split}, num_directions={self.num_directions},\n"
            f"    alphas=np.linspace({-self.span:g}, {self.span:g}, "
            f"{self.num_points}),\n"
            f"    normalization={self.normalization!r}, "
            f"ignore={self.ignore!r},\n"
            f"{layers}    seed={self.seed},\n)"
        )

    @staticmethod
    def chart_code(
        variables: dict[str, Request], options: Mapping[str, Any]
    ) -> str:
        """Lines that draw the bundles of all minima together."""
        (first, one), *others = variables.items()
        lines = [
            f"{variable} = dataclasses.replace("
            f"{variable}, groups={first}.groups)"
            for variable, request in others
            if request.by_layer and is_renamed(request.minima[0], one.minima[0])
        ]
        if lines:
            # So that the same layers share a panel.
            lines.insert(0, "import dataclasses\n")
        lines.append(by_name_code("bundle_chart", variables, options))
        return "\n".join(lines)
