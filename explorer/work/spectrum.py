"""How the eigenvalues of the Hessian are distributed at a minimum."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from work.jobs import Job
from work.loaded import LOADED
from work.request import Request, by_name_code, models_code

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

    def work(self) -> dict[str, int]:
        """The products of all probes."""
        return {"product": self.num_probes * self.num_steps}

    def run(self, job: Job) -> "SpectralDensity":
        """Estimates the density, probe by probe."""
        minimum = self.minima[0]
        objective = LOADED.objectives(minimum, self.data, job)["train"]
        job.stage(f"{minimum.name}: spectral density", unit="product")
        import keras_sharpness as ks

        return ks.spectral_density(
            objective,
            num_probes=self.num_probes,
            num_steps=min(self.num_steps, objective.size),
            seed=self.seed,
            progress=job.step,
            path=self.resumed_from(job.folder),
        )

    def setup_code(self) -> str:
        """Lines that open the model and make its objective."""
        return "\n".join(
            [
                models_code({"model": self.minima[0]}),
                self.data.code(self.minima[0], ("train",)),
            ]
        )

    def code(self, variable: str) -> str:
        """Lines that estimate the density."""
        return (
            f"{variable} = ks.spectral_density(\n"
            f"    train, num_probes={self.num_probes}, "
            f"num_steps={self.num_steps}, seed={self.seed}\n"
            ")"
        )

    @staticmethod
    def chart_code(
        variables: dict[str, Request], options: Mapping[str, Any]
    ) -> str:
        """Lines that draw the densities of all minima together."""
        return by_name_code("density_chart", variables, options)
