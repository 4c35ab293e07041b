"""The loss on a plane, and along random directions, around a minimum."""

import dataclasses
import hashlib
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from work.bench import BENCH
from work.jobs import Job
from work.request import Request, models_code

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

    def cost(self) -> str:
        count = self.num_points**2
        text = f"{count:,} loss evaluations on {self.samples()}"
        if self.plane == "hessian":
            text += ", and about 30 Hessian products for the plane"
        return text

    def run(self, job: Job) -> SurfaceWithPath:
        objective = BENCH.objectives(self.minima[0], self.data, job)[self.split]
        job.stage("Choosing the plane")
        from keras_sharpness import landscape

        points = self._points(job)
        plane = self._plane(landscape, objective, points, job)
        options = {"num_points": self.num_points}
        if self.plane in ("random", "hessian"):
            side = np.linspace(-self.span, self.span, self.num_points)
            options = {"alphas": side, "betas": side}
        job.stage("Coarse grid first")
        surface = None
        for surface in landscape.surface_stages(
            objective,
            plane,
            **options,
            path=self._file(job.folder),
            progress=job.step,
        ):
            job.show(SurfaceWithPath(surface))
        if self.plane != "trajectory":
            return SurfaceWithPath(surface)
        job.stage("Losses of the checkpoints")
        return SurfaceWithPath(
            surface,
            landscape.project_trajectory(
                objective, plane, points, progress=job.step
            ),
        )

    def _points(self, job: Job) -> list[Any]:
        if self.plane == "models":
            return [BENCH.model(minimum, job) for minimum in self.minima]
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

    def _file(self, folder: pathlib.Path) -> pathlib.Path:
        """Where it is resumed from after a stop, in this session."""
        digest = hashlib.sha256(repr(self.key).encode()).hexdigest()
        return folder / f"surface-{digest[:16]}.json"

    def setup_code(self) -> str:
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
    def chart_code(variables: dict[str, Request]) -> str:
        ((variable, request),) = variables.items()
        if request.plane != "trajectory":
            return f"chart = ks.charts.surface_chart({variable})"
        return (
            "trajectory = ks.landscape.project_trajectory("
            "objective, plane, points)\n"
            "chart = ks.charts.surface_chart("
            f"{variable}, trajectory=trajectory)"
        )

    @property
    def stored_name(self) -> str:
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

    def cost(self) -> str:
        count = self.num_directions * self.num_points
        each = " for each layer" if self.by_layer else ""
        return f"{count:,} loss evaluations{each} on {self.samples()}"

    def run(self, job: Job) -> "DirectionBundle":
        objective = BENCH.objectives(self.minima[0], self.data, job)[self.split]
        job.stage("Random directions")
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
        return "\n".join(
            [
                models_code({"model": self.minima[0]}),
                self.data.code(self.minima[0], (self.split,)),
            ]
        )

    def code(self, variable: str) -> str:
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
    def chart_code(variables: dict[str, Request]) -> str:
        lines = [
            f"    {request.minima[0].name!r}: {variable},"
            for variable, request in variables.items()
        ]
        return "\n".join(["chart = ks.charts.bundle_chart({", *lines, "})"])
