"""How the eigenvalues of the Hessian are distributed at a minimum."""

import dataclasses
from typing import TYPE_CHECKING

from work.bench import BENCH
from work.jobs import Job
from work.request import Request, models_code

if TYPE_CHECKING:
    from keras_sharpness.metrics import SpectralDensity


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Spectrum(Request):
    """The spectral density of the Hessian at one minimum."""

    kind = "spectrum"
    title = "Spectral density"
    num_probes: int = 10
    num_steps: int = 60
    seed: int = 0

    def cost(self) -> str:
        return (
            f"{self.num_probes * self.num_steps} Hessian products on "
            f"{self.samples()}"
        )

    def run(self, job: Job) -> "SpectralDensity":
        minimum = self.minima[0]
        objective = BENCH.objectives(minimum, self.data, job)["train"]
        job.stage(f"{minimum.name}: spectral density")
        import keras_sharpness as ks

        return ks.spectral_density(
            objective,
            num_probes=self.num_probes,
            num_steps=min(self.num_steps, objective.size),
            seed=self.seed,
            progress=job.step,
        )

    def setup_code(self) -> str:
        return "\n".join(
            [
                models_code({"model": self.minima[0]}),
                self.data.code(self.minima[0], ("train",)),
            ]
        )

    def code(self, variable: str) -> str:
        return (
            f"{variable} = ks.spectral_density(\n"
            f"    train, num_probes={self.num_probes}, "
            f"num_steps={self.num_steps}, seed={self.seed}\n"
            ")"
        )

    @staticmethod
    def chart_code(variables: dict[str, Request]) -> str:
        lines = [
            f"    {request.minima[0].name!r}: {variable},"
            for variable, request in variables.items()
        ]
        return "\n".join(["chart = ks.charts.density_chart({", *lines, "})"])
