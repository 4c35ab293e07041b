"""What a study measures of one trained model."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.data import SampleData
from keras_sharpness.metrics import (
    Objective,
    epsilon_sharpness,
    hessian_eigenvalues,
)
from keras_sharpness.metrics.epsilon_sharpness import (
    NUM_STARTS,
    Maximizer,
    check_subspace_dim,
    chosen_maximizer,
)
from keras_sharpness.metrics.loss.batch_norm import BatchNormMode
from keras_sharpness.metrics.weights import WeightLayout
from keras_sharpness.results import Result


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
    """

    train_loss: float
    train_accuracy: float | None
    test_loss: float
    test_accuracy: float | None
    weight_norm: float
    distance_from_start: float | None
    objective: dict[str, Any]


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
        return [name for name, _ in self._measurements()]

    def settings(self, name: str) -> dict[str, Any]:
        """What the measurement `name` depends on, in JSON's types."""
        common = ("batch_norm", "batch_size", "num_samples", "regularization")
        settings = {key: getattr(self, key) for key in common}
        if name.startswith("epsilon"):
            in_subspace = name.endswith("subspace")
            settings |= {
                "maximizer": chosen_maximizer(
                    self.maximizer, in_subspace=in_subspace
                ),
                "seed": self.seed,
                # Folders of earlier versions know one start, unnamed.
                "num_starts": self.num_starts if self.num_starts > 1 else None,
            }
            if in_subspace:
                settings["subspace_dim"] = self.subspace_dim
        if name.startswith("hessian"):
            settings |= {"k": self.num_eigenvalues, "seed": self.seed}
        return settings

    def run(
        self, name: str, target: "Target", progress: Callable | None = None
    ) -> Result:
        """Takes one measurement.

        Args:
            name: Str, one of `names()`.
            target: The `Target` to measure.
            progress: As in the functions of `keras_sharpness.metrics`.

        Returns:
            An `Evaluation`, `EpsilonSharpness` or `Eigenvalues`.
        """
        return dict(self._measurements())[name](target, progress)

    def _measurements(self) -> Iterator[tuple[str, Callable]]:
        yield "evaluation", lambda target, _: target.evaluate()
        for epsilon in self.epsilons:
            for space in ("full", "subspace"):
                dim = self.subspace_dim if space == "subspace" else None
                if space == "full" or dim is not None:
                    yield (
                        f"epsilon_sharpness-{epsilon:g}-{space}",
                        self._sharpness(epsilon, dim),
                    )
        if self.num_eigenvalues:
            yield "hessian_eigenvalues", self._eigenvalues

    def _sharpness(self, epsilon: float, dim: int | None) -> Callable:
        def measure(target: "Target", progress: Callable | None) -> Result:
            return epsilon_sharpness(
                target.train,
                epsilon=epsilon,
                subspace_dim=dim,
                maximizer=self.maximizer,
                num_starts=self.num_starts,
                seed=self.seed,
                progress=progress,
            ).without_vectors()

        return measure

    def _eigenvalues(
        self, target: "Target", progress: Callable | None
    ) -> Result:
        return hessian_eigenvalues(
            target.train,
            k=self.num_eigenvalues,
            seed=self.seed,
            progress=progress,
        )


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
        self.train = Objective(
            model, data.x_train[:count], data.y_train[:count], **options
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
        w = WeightLayout(self.train.model).read()
        distance = None
        if self._start is not None:
            distance = float(np.linalg.norm(w - self._start))
        return Evaluation(
            train_loss=train["loss"],
            train_accuracy=train.get("accuracy"),
            test_loss=test["loss"],
            test_accuracy=test.get("accuracy"),
            weight_norm=float(np.linalg.norm(w)),
            distance_from_start=distance,
            objective=self.train.settings,
        )
