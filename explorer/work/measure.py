"""The numbers of one minimum: loss, sharpness, eigenvalues, trace."""

import dataclasses
from typing import Any

from work.bench import BENCH, SPLITS
from work.jobs import Job
from work.request import Request, models_code

_CODE = {
    "evaluation": '{{"train": train.evaluate(), "test": test.evaluate()}}',
    "sharpness": "ks.epsilon_sharpness(\n"
    '    train, epsilon={option:g}, maximizer="frank-wolfe"\n)',
    "eigenvalues": "ks.hessian_eigenvalues(train, k={option:g})",
    "trace": "ks.hessian_trace(train, num_probes={option:g})",
}
_VALUES = {
    "evaluation": "",
    "sharpness": ".value",
    "eigenvalues": ".eigenvalues",
    "trace": ".value",
}
# About as many passes as one takes, in evaluations of the loss: a gradient
# is worth three, a product of the Hessian six (forward, backward and both
# again).
_COSTS = {
    "evaluation": "1 loss evaluation",
    "sharpness": "about 12 gradients",
    "eigenvalues": "about 30 Hessian products",
    "trace": "{option:g} Hessian products",
}


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

    def cost(self) -> str:
        return _COSTS[self.quantity].format(option=self.option)

    def run(self, job: Job) -> Any:
        minimum = self.minima[0]
        objectives = BENCH.objectives(minimum, self.data, job)
        job.stage(f"{minimum.name}: {self.label}")
        import keras_sharpness as ks
        from keras_sharpness.studies.measurement import Evaluation

        train = objectives["train"]
        if self.quantity == "sharpness":
            return ks.epsilon_sharpness(
                train,
                epsilon=self.option,
                maximizer="frank-wolfe",
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
        return "\n".join(
            [
                models_code({"model": self.minima[0]}),
                self.data.code(self.minima[0], SPLITS),
            ]
        )

    def code(self, variable: str) -> str:
        return f"{variable} = " + _CODE[self.quantity].format(
            option=self.option
        )

    @staticmethod
    def chart_code(variables: dict[str, Request]) -> str:
        lines = [
            f"print({f'{r.minima[0].name}, {r.label}:'!r}, "
            f"{variable}{_VALUES[r.quantity]})"
            for variable, r in variables.items()
        ]
        return "\n".join(lines)
