"""The numbers of one minimum: loss, sharpness, eigenvalues, trace."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from work.jobs import Job
from work.loaded import LOADED, SPLITS
from work.request import Request, models_code

_CODE = {
    "evaluation": "{{\n"
    '    "train": train.evaluate(), "test": test.evaluate(),\n'
    '    "weight_norm": float((train.weights**2).sum() ** 0.5),\n}}',
    "sharpness": "ks.epsilon_sharpness(\n    train, epsilon={option:g}\n)",
    "eigenvalues": "ks.hessian_eigenvalues(train, k={option:g})",
    "trace": "ks.hessian_trace(train, num_probes={option:g})",
}
_VALUES = {
    "evaluation": "",
    "sharpness": ".value",
    "eigenvalues": ".eigenvalues",
    "trace": ".value",
}
# Usual numbers for the two that search.
_SEARCHES = {"sharpness": {"gradient": 12}, "eigenvalues": {"product": 30}}
_UNITS = {"sharpness": "gradient", "eigenvalues": "product", "trace": "product"}


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Measure(Request):
    """One quantity of one minimum.

    Attributes:
        quantity: Str. `"evaluation"`, `"sharpness"`, `"eigenvalues"` or
            `"trace"`.
        option: Float. ε, the number of eigenvalues, or that of probes.
    """

    kind = "measurement"
    title = "Measurements"
    quantity: str
    option: float = 0.0

    def work(self) -> dict[str, int]:
        """The usual number of its steps."""
        if self.quantity == "evaluation":
            return {"evaluation": len(SPLITS)}
        return _SEARCHES.get(self.quantity, {"product": int(self.option)})

    @property
    def guessed(self) -> tuple[str, ...]:
        """Units whose number is a guess."""
        return tuple(_SEARCHES.get(self.quantity, ()))

    def run(self, job: Job) -> Any:
        """Measures the quantity."""
        minimum = self.minima[0]
        objectives = LOADED.objectives(minimum, self.data, job)
        unit = _UNITS.get(self.quantity, "")
        job.stage(f"{minimum.name}: {self.label}", unit=unit)
        import keras_sharpness as ks
        from keras_sharpness.studies.measurement import Evaluation

        train = objectives["train"]
        if self.quantity == "sharpness":
            return ks.epsilon_sharpness(
                train,
                epsilon=self.option,
                progress=job.step,
            ).without_vectors()
        if self.quantity == "eigenvalues":
            return ks.hessian_eigenvalues(
                train, k=int(self.option), progress=job.step
            )
        if self.quantity == "trace":
            return ks.hessian_trace(
                train, num_probes=int(self.option), progress=job.step
            )
        values = {split: objectives[split].evaluate() for split in SPLITS}
        return Evaluation(
            **{
                f"{split}_{name}": found.get(name)
                for split, found in values.items()
                for name in ("loss", "accuracy")
            },
            weight_norm=float((train.weights**2).sum() ** 0.5),
            distance_from_start=None,
            objective=train.settings,
        )

    @property
    def label(self) -> str:
        """The quantity in words."""
        return {
            "evaluation": "loss and accuracy",
            "sharpness": f"ε-sharpness, ε = {self.option:g}",
            "eigenvalues": "largest eigenvalues",
            "trace": "trace of the Hessian",
        }[self.quantity]

    @property
    def stored_name(self) -> str:
        """What a run's folder calls it."""
        return {
            "evaluation": "evaluation",
            "sharpness": f"epsilon_sharpness-{self.option:g}-full",
            "eigenvalues": "hessian_eigenvalues",
            "trace": "hessian_trace",
        }[self.quantity]

    def setup_code(self) -> str:
        """Lines that open the model and make its objectives."""
        return "\n".join(
            [
                models_code({"model": self.minima[0]}),
                self.data.code(self.minima[0], SPLITS),
            ]
        )

    def code(self, variable: str) -> str:
        """Lines that measure the quantity."""
        return f"{variable} = " + _CODE[self.quantity].format(
            option=self.option
        )

    @staticmethod
    def chart_code(
        variables: dict[str, Request],
        options: Mapping[str, Any],  # noqa: ARG004  # numbers, no chart
    ) -> str:
        """Lines that print the numbers."""
        lines = [
            f"print({f'{r.minima[0].name}, {r.label}:'!r}, "
            f"{variable}{_VALUES[r.quantity]})"
            for variable, r in variables.items()
        ]
        return "\n".join(lines)
