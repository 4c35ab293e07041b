"""Loss and accuracy along a path between two minima."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from work.jobs import Job
from work.loaded import LOADED, SPLITS
from work.request import Request, arguments, models_code

if TYPE_CHECKING:
    from keras_sharpness.landscape import Connection, Interpolation

# Of the points: the first look at the whole path.
_EVERY = 4


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Interpolate(Request):
    """Loss and accuracy along the line or the curve between two minima."""

    kind = "interpolation"
    title = "Interpolation"
    path: str = "linear"
    num_points: int = 25
    low: float = -1.0
    high: float = 2.0

    def work(self) -> dict[str, int]:
        """Every point on the training and on the test samples."""
        return {"evaluation": len(SPLITS) * self.num_points}

    def run(self, job: Job) -> "Interpolation":
        """Evaluates every fourth point first, then those between."""
        objectives = LOADED.objectives(self.minima[0], self.data, job)
        ends = [LOADED.model(minimum, job) for minimum in self.minima]
        alphas = np.linspace(self.low, self.high, self.num_points)
        is_coarse = np.arange(len(alphas)) % _EVERY == 0
        from keras_sharpness.landscape import interpolate

        parts = []
        for name, chosen in (
            ("First points", alphas[is_coarse]),
            ("Points between", alphas[~is_coarse]),
        ):
            if not len(chosen):
                continue
            job.stage(name, unit="evaluation")
            parts.append(
                interpolate(
                    objectives,
                    *ends,
                    path=self.path,
                    alphas=chosen,
                    progress=job.step,
                )
            )
            job.show(merged(parts))
        return merged(parts)

    def setup_code(self) -> str:
        """Lines that open both ends and make the objectives."""
        return pair_code(self)

    def code(self, variable: str) -> str:
        """Lines that evaluate the path."""
        return (
            f"{variable} = ks.interpolate(\n"
            '    {"train": train, "test": test}, model, end,\n'
            f"    path={self.path!r},\n"
            f"    alphas=np.linspace({self.low:g}, {self.high:g}, "
            f"{self.num_points}),\n"
            ")"
        )

    @staticmethod
    def chart_code(
        variables: dict[str, Request], options: Mapping[str, Any]
    ) -> str:
        """Lines that draw the path."""
        return pair_chart_code("interpolation_chart", variables, options)


def pair_code(request: Request) -> str:
    """Lines that open both ends and make the objectives of the first."""
    ends = dict(zip(("model", "end"), request.minima, strict=True))
    return "\n".join(
        [models_code(ends), request.data.code(request.minima[0], SPLITS)]
    )


def pair_chart_code(
    chart: str, variables: dict[str, Request], options: Mapping[str, Any]
) -> str:
    """Lines that draw what lies between two ends."""
    ((variable, request),) = variables.items()
    start, end = (minimum.name for minimum in request.minima)
    names = {"start_name": start, "end_name": end}
    return (
        f"chart = ks.charts.{chart}(\n"
        f"    {variable}{arguments({**names, **options})}\n"
        ")"
    )


def merged(parts: "list[Interpolation]") -> "Interpolation":
    """One path from points that were evaluated in turns.

    Every part has the losses at both ends, so the barrier over all points is
    the largest of the parts'.
    """
    alphas = np.concatenate([part.alphas for part in parts])
    order = np.argsort(alphas)

    def joined(field: str) -> dict[str, np.ndarray]:
        return {
            name: np.concatenate(
                [getattr(part, field)[name] for part in parts]
            )[order]
            for name in getattr(parts[0], field)
        }

    return dataclasses.replace(
        parts[0],
        alphas=alphas[order],
        losses=joined("losses"),
        accuracies=joined("accuracies"),
        barriers={
            name: float(np.max([part.barriers[name] for part in parts]))
            for name in parts[0].barriers
        },
        num_evaluations=sum(part.num_evaluations for part in parts),
        seconds=sum(part.seconds for part in parts),
    )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Connect(Request):
    """A curve with one bend between two minima, trained to low loss."""

    kind = "connection"
    title = "Connecting curve"
    curve: str = "bezier"
    num_steps: int = 200
    num_points: int = 25
    seed: int = 0

    def work(self) -> dict[str, int]:
        """The training of the bend, and both ways from end to end."""
        # Along the straight line, along the curve, and a gradient a step.
        evaluations = 2 * len(SPLITS) * self.num_points
        return {"gradient": self.num_steps, "evaluation": evaluations}

    def run(self, job: Job) -> "Connection":
        """Trains the bend and evaluates curve and line."""
        objectives = LOADED.objectives(self.minima[0], self.data, job)
        ends = [LOADED.model(minimum, job) for minimum in self.minima]
        job.stage("Training the bend")
        from keras_sharpness.landscape import connect_minima

        return connect_minima(
            objectives,
            *ends,
            curve=self.curve,
            num_steps=self.num_steps,
            num_points=self.num_points,
            seed=self.seed,
            progress=job.step,
        )

    def setup_code(self) -> str:
        """Lines that open both ends and make the objectives."""
        return pair_code(self)

    def code(self, variable: str) -> str:
        """Lines that train the curve."""
        return (
            f"{variable} = ks.landscape.connect_minima(\n"
            '    {"train": train, "test": test}, model, end,\n'
            f"    curve={self.curve!r}, num_steps={self.num_steps},\n"
            f"    num_points={self.num_points}, seed={self.seed},\n"
            ")"
        )

    @staticmethod
    def chart_code(
        variables: dict[str, Request], options: Mapping[str, Any]
    ) -> str:
        """Lines that draw the curve beside the straight line."""
        return pair_chart_code("connection_chart", variables, options)
