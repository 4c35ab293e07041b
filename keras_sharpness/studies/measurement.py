"""What a study measures of one trained model."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.data import SampleData
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.epsilon_sharpness import (
    NUM_STARTS,
    Maximizer,
    check_subspace_dim,
)
from keras_sharpness.metrics.loss.batch_norm import BatchNormMode
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.results import Result
from keras_sharpness.studies.metrics import METRICS, Line, Metric, Settings

# The measurement that every plan begins with.
EVALUATION = "evaluation"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation(Result):
    """Loss and accuracy of a model, and where its weights are.

    Attributes:
        train_loss: Float. f at the weights, on the samples measured.
        train_accuracy: Float in [0, 1], or None where y is no class.
        test_loss: Float.
        test_accuracy: Float in [0, 1], or None.
        weight_norm: Float. ‖w‖₂.
        distance_from_start: Float. ‖w − w₀‖₂ from the initial weights, or None
            where they are not known.
        gradient_norm: Float. ‖∇f‖₂ of the training loss, or None in files of
            earlier versions.
        train_data_loss: Float. The training loss without what regularisation
            adds, or None in files of earlier versions.
    """

    train_loss: float
    train_accuracy: float | None
    test_loss: float
    test_accuracy: float | None
    weight_norm: float
    distance_from_start: float | None
    objective: dict[str, Any]
    gradient_norm: float | None = None
    train_data_loss: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasurementPlan:
    """Which numbers a study takes of every model, and how.

    Args:
        epsilons: Tuple of floats. Box sizes ε.
        subspace_dim: Int. Dimension of the random subspace; None measures in
            the full space only.
        maximizer: Str. As in `epsilon_sharpness`, and so is its default.
        num_eigenvalues: Int. How many of the largest; 0 for none.
        batch_norm: Str. Mode of the `Objective`.
        batch_size: Int. Samples evaluated at once.
        num_samples: Int. Training samples to measure on, the first ones; all
            by default.
        regularization: Bool. Whether regularisation is part of the loss.
        seed: Int.
        num_starts: Int. As in `epsilon_sharpness`.
        measures: Sequence of the names of further metrics, e.g.
            `("hessian_trace",)`, or a dict from names to settings, e.g.
            `{"hessian_trace": {"num_probes": 50}}`.

    Raises:
        ValueError: For options out of range.

    Example:

    ```python
    from keras_sharpness.studies import MeasurementPlan

    plan = MeasurementPlan(epsilons=(1e-3,), subspace_dim=None)
    assert plan.names() == [
        "evaluation",
        "epsilon_sharpness-0.001-full",
        "hessian_eigenvalues",
    ]
    ```
    """

    epsilons: tuple[float, ...] = (1e-3, 5e-4)
    subspace_dim: int | None = 100
    maximizer: Maximizer = "auto"
    num_eigenvalues: int = 2
    batch_norm: BatchNormMode = "inference"
    batch_size: int | None = None
    num_samples: int | None = None
    regularization: bool = True
    seed: int = 0
    num_starts: int = NUM_STARTS
    measures: Mapping[str, Mapping[str, Any]] | Sequence[str] = (
        dataclasses.field(default=(), hash=False)
    )

    def __post_init__(self) -> None:
        checked = {
            "epsilons": self._checked_epsilons(),
            "maximizer": arguments.one_of(
                "maximizer", self.maximizer, Maximizer
            ),
            "num_eigenvalues": arguments.integer(
                "num_eigenvalues", self.num_eigenvalues, least=0
            ),
            "batch_norm": arguments.one_of(
                "batch_norm", self.batch_norm, BatchNormMode
            ),
            "regularization": arguments.boolean(
                "regularization", self.regularization
            ),
            "seed": arguments.seed(self.seed),
            "num_starts": arguments.integer(
                "num_starts", self.num_starts, least=1
            ),
        }
        checked["measures"] = _checked_measures(self.measures)
        for name in ("subspace_dim", "batch_size", "num_samples"):
            checked[name] = arguments.integer(
                name, getattr(self, name), least=1, optional=True
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _checked_epsilons(self) -> tuple[float, ...]:
        remedy = "Keskar et al. use (1e-3, 5e-4)."
        given = self.epsilons
        if not isinstance(given, list | tuple | np.ndarray) or not np.size(
            given
        ):
            raise arguments.refuse(
                "epsilons", given, "a tuple of box sizes", remedy
            )
        found = tuple(
            arguments.real("epsilons", epsilon, above=0.0, remedy=remedy)
            for epsilon in given
        )
        names = {f"{epsilon:g}" for epsilon in found}
        if len(names) < len(found):
            raise arguments.refuse(
                "epsilons", given, "box sizes that differ in six digits"
            )
        return found

    def check_size(self, size: int) -> None:
        """Refuses to measure in more dimensions than a model has.

        Args:
            size: Int. P, the number of trainable weights.

        Raises:
            ValueError: If the subspace is not smaller than the space, or more
                eigenvalues are wanted than there are.
        """
        if self.subspace_dim is not None:
            check_subspace_dim(self.subspace_dim, size)
        arguments.integer("num_eigenvalues", self.num_eigenvalues, most=size)

    def names(self) -> list[str]:
        """The names of the measurements, in order."""
        return [EVALUATION, *self._requests()]

    def settings(self, name: str) -> dict[str, Any]:
        """What the measurement `name` depends on, in JSON's types."""
        common = ("batch_norm", "batch_size", "num_samples", "regularization")
        found = {key: getattr(self, key) for key in common}
        if name != EVALUATION:
            metric, settings = self._requests()[name]
            found |= metric.stored(settings)
        return found

    def run(
        self, name: str, target: "Target", progress: Callable | None = None
    ) -> Result:
        """Takes one measurement.

        Args:
            name: Str, one of `names()`.
            target: The `Target` to measure.
            progress: As in the functions of `keras_sharpness.metrics`.

        Returns:
            An `Evaluation`, or what the metric's function returns, e.g. an
            `EpsilonSharpness` or `Eigenvalues`.
        """
        if name == EVALUATION:
            return target.evaluate()
        metric, settings = self._requests()[name]
        return metric.measure(target.train, settings, progress)

    def kind(self, name: str) -> type[Result]:
        """The class of a measurement's result.

        Args:
            name: Str, one of `names()`.

        Returns:
            Class.
        """
        if name == EVALUATION:
            return Evaluation
        return self._requests()[name][0].result()

    def values(self, name: str, result: Any) -> dict[str, float]:
        """The numbers of a measurement, by the columns of a study's table.

        Args:
            name: Str, one of `names()` but for the evaluation.
            result: What `run` returned.

        Returns:
            Dict.
        """
        metric, settings = self._requests()[name]
        return metric.values(result, settings)

    def lines(self, name: str, result: Any) -> list[Line]:
        """A measurement as the command line prints it.

        Args:
            name: Str, one of `names()` but for the evaluation.
            result: What `run` returned.

        Returns:
            List of `Line`.
        """
        metric, settings = self._requests()[name]
        return metric.lines(result, settings)

    def _requests(self) -> dict[str, tuple[Metric, Settings]]:
        """What is asked of the table, by the names in a run's folder."""
        fields = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self)
        }
        return {
            metric.file_name(settings): (metric, settings)
            for metric in METRICS
            for settings in metric.requests(fields)
        }


def _checked_measures(given: Any) -> dict[str, dict[str, Any]]:
    """Names of the table's further metrics, each with its settings."""
    known = {metric.name: metric for metric in METRICS if metric.options}
    must = f"names among {', '.join(known)}, or a dict of their settings"
    if isinstance(given, str) or not isinstance(given, Mapping | Sequence):
        raise arguments.refuse("measures", given, must)
    settings = (
        dict(given)
        if isinstance(given, Mapping)
        else {name: {} for name in given}
    )
    for name, options in settings.items():
        if name not in known or not isinstance(options, Mapping):
            raise arguments.refuse("measures", given, must)
    # In the table's order, whatever the caller's.
    return {
        name: metric.check(dict(settings[name]))
        for name, metric in known.items()
        if name in settings
    }


class Target:
    """A model with the training and test loss it is measured by.

    Args:
        model: Built `keras.Model`.
        data: `SampleData`.
        plan: The `MeasurementPlan`.
        loss: As in `Objective`.
        start: Array (P,), the initial weights, if known.

    Attributes:
        train: `Objective` of the training samples.
        test: `Objective` of the test samples.
    """

    def __init__(
        self,
        model: keras.Model,
        data: SampleData,
        plan: MeasurementPlan,
        *,
        loss: Any = None,
        start: np.ndarray | None = None,
    ):
        arguments.instance("model", model, keras.Model, "a keras.Model")
        arguments.instance("data", data, SampleData, "a ClassificationData")
        arguments.instance("plan", plan, MeasurementPlan, "a MeasurementPlan")
        options = {
            "loss": loss,
            "batch_norm": plan.batch_norm,
            "batch_size": plan.batch_size,
            "regularization": plan.regularization,
        }
        layout = WeightLayout(model)
        plan.check_size(layout.size)
        if start is not None:
            start = layout.check(start, "start")
        count = plan.num_samples
        samples = data.x_train[:count], data.y_train[:count]
        self.train = Objective(model, *samples, **options)
        self._without_regularization = lambda: Objective(
            model, *samples, **{**options, "regularization": False}
        )
        self.test = Objective(
            model,
            data.x_test,
            data.y_test,
            calibration=self.train,
            **options,
        )
        self._start = start

    def evaluate(self) -> Evaluation:
        """Loss and accuracy on both splits, and the weights' whereabouts."""
        train, test = self.train.evaluate(), self.test.evaluate()
        model = self.train.model
        w = WeightLayout(model).read()
        distance = None
        if self._start is not None:
            distance = float(np.linalg.norm(w - self._start))
        data_loss = train["loss"]
        if self.train.regularization and is_regularized(model):
            data_loss = self._without_regularization().evaluate()["loss"]
        return Evaluation(
            train_loss=train["loss"],
            train_accuracy=train.get("accuracy"),
            test_loss=test["loss"],
            test_accuracy=test.get("accuracy"),
            weight_norm=float(np.linalg.norm(w)),
            distance_from_start=distance,
            objective=self.train.settings,
            gradient_norm=float(np.linalg.norm(self.train.gradient())),
            train_data_loss=data_loss,
        )


def is_regularized(model: keras.Model) -> bool:
    """Whether the layers of a model add to its loss what weights cost.

    Args:
        model: `keras.Model`, built.

    Returns:
        Bool.
    """
    return any(
        getattr(variable, "regularizer", None) is not None
        for variable in model.trainable_variables
    )
