"""Sharpness against what the optimizer's step allows, during `fit`."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness.callbacks._measurement import Measurement
from keras_sharpness.callbacks._objective import MeasurementOptions
from keras_sharpness.callbacks._stability import (
    check_optimizer,
    stability_of,
    unwrapped,
)
from keras_sharpness.callbacks._warm_start import PresentHessian, WarmStart
from keras_sharpness.metrics.eigenvalues import Eigenvalues
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.progress import ProgressOption
from keras_sharpness.results import Result


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StabilityMeasurement(Result):
    """The largest eigenvalue, and the one at which steps become unstable.

    Attributes:
        eigenvalue: Float. λ of H, or of P^(-1/2) H P^(-1/2).
        threshold: Float. What λ may be for the next step; infinite at a
            learning rate of 0, and the ratio 0.
        ratio: Float. λ / threshold; 1 is the edge of stability.
        learning_rate: Float. η of the next step.
        optimizer: Str. Class of the optimizer.
        preconditioned: Bool. Whether P is other than the identity.
        search: Dict. Residual, products and the rest of the search for λ.
        objective: Dict. Settings of the objective.
    """

    eigenvalue: float
    threshold: float
    ratio: float
    learning_rate: float
    optimizer: str
    preconditioned: bool
    search: dict[str, Any]
    objective: dict[str, Any]


class EdgeOfStability(Measurement):
    """Measures how near the training is to the edge of stability.

    Gradient descent with learning rate η diverges on a quadratic along
    eigenvectors of the Hessian H with λ > 2/η. On networks, λ rises until
    there and stays (Cohen et al. 2021). For the other optimizers the same
    holds for the eigenvalues of P^(-1/2) H P^(-1/2):

    * `SGD`: P = 1, threshold 2/η; with momentum β, 2 (1 + β) / η; with
      Nesterov's, 2 (1 + β) / ((1 + 2 β) η).
    * `Adam`, `AdamW`: P = (1 − β₁ᵗ) (√v + ε) / √(1 − β₂ᵗ) after t steps, v
      being the mean of the squared gradients (the largest so far with
      `amsgrad`); threshold 2 (1 + β₁) / ((1 − β₁) η), which is 38/η for
      β₁ = 0.9.
    * `RMSprop`: P = √(v + ε), threshold 2 (1 + momentum) / η; v less the
      squared mean with `centered`.

    η is the learning rate of the next step, schedules included; where it is 0
    the threshold is infinite, and the ratio 0. H is that of the loss on `x`,
    which is the one that the theory speaks of where `x` are all the training
    data and each batch is all of them; with small batches λ stays below the
    threshold. λ is searched as by `HessianEigenvalues`, with
    P = 1 on the samples of largest loss first. Decoupled weight decay and the
    clipping of gradients are left out. Written into the logs of every epoch:

    * `edge_of_stability`, λ over the threshold: 1 is the edge;
    * `edge_of_stability_eigenvalue`, λ;
    * `edge_of_stability_threshold`;
    * `edge_of_stability_seconds`, what measuring took in this epoch;
    * `edge_of_stability_skipped`, with a limit only.

    All else, and the place among other callbacks, is as for
    `EpsilonSharpness`.

    Args:
        x: Data, or a `ks.Objective` of the model, as for `EpsilonSharpness`.
        y: Targets; left out where `x` brings them.
        tolerance: Float. Relative residual of λ, as for `HessianEigenvalues`.
        max_products: Int. At the most, as for `ks.hessian_eigenvalues`.
        seed: Int. For the start vectors.
        name: Str. How the keys in the logs begin.
        **options: `frequency`, `max_seconds` and `max_share`, as for
            `EpsilonSharpness`, and further arguments of `ks.Objective`, such
            as `batch_size`.

    Attributes:
        results: List of `StabilityMeasurement` results.
        epochs: List of int, the epoch of each result.
        steps: List of int, updates of the weights before each result.

    Raises:
        ValueError: For options out of range; when the training begins, for
            other optimizers and data that do not fit the model.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_sharpness.callbacks import EdgeOfStability

    x, y = np.eye(4), np.ones((4, 1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.4), "mse")
    edge = EdgeOfStability(x, y, tolerance=1e-3)
    model.fit(x, y, batch_size=4, epochs=2, callbacks=[edge], verbose=0)
    # λ = 2.5 against 2 / 0.4.
    assert np.isclose(edge.results[0].ratio, 0.5, rtol=1e-4)
    ```

    Reference:
        Cohen et al. 2021, https://arxiv.org/abs/2103.00065, section 2 and
        appendix B for momentum; Cohen et al. 2022,
        https://arxiv.org/abs/2207.14484, for Adam and RMSprop.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        tolerance: float = 0.05,
        max_products: int | None = None,
        seed: int = 0,
        name: str = "edge_of_stability",
        **options: Unpack[MeasurementOptions],
    ):
        super().__init__(x, y, name=name, **options)
        self._search = WarmStart(
            k=1,
            which="largest",
            tolerance=tolerance,
            max_products=max_products,
            seed=seed,
        )

    def keys(self) -> list[str]:
        """The keys of the ratio, the eigenvalue and the threshold."""
        return [self.name, f"{self.name}_eigenvalue", f"{self.name}_threshold"]

    def prepare(self) -> None:
        """Refuses optimizers whose threshold is not known."""
        check_optimizer(self.model.optimizer)
        self._search.forget()

    def compile_ahead(self, objective: Objective) -> None:
        """Compiles the search on the samples of largest loss."""
        stability = stability_of(
            self.model.optimizer, objective.layout.variables
        )
        if stability.preconditioner is None:
            self._search.prepare(PresentHessian(objective))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Lets go of the vectors and the data, too."""
        self._search.forget()
        super().on_train_end(logs)

    def measure(
        self, objective: Objective, progress: ProgressOption
    ) -> tuple[StabilityMeasurement, Sequence[float]]:
        """Finds the eigenvalue, and compares it with the threshold."""
        optimizer = self.model.optimizer
        stability = stability_of(optimizer, objective.layout.variables)
        operator = PresentHessian(objective)
        if stability.preconditioner is not None:
            diagonal = objective.layout.join(stability.preconditioner)
            operator = _Scaled(operator, diagonal**-0.5)
        found = self._search.find(operator, progress)
        result = StabilityMeasurement(
            eigenvalue=float(found.eigenvalues[0]),
            threshold=float(stability.threshold),
            ratio=float(found.eigenvalues[0] / stability.threshold),
            learning_rate=float(stability.learning_rate),
            optimizer=type(unwrapped(optimizer)).__name__,
            preconditioned=stability.preconditioner is not None,
            search=_search(found),
            objective=objective.settings,
        )
        return result, [result.ratio, result.eigenvalue, result.threshold]


class _Scaled(LinearOperator):
    """D H D of a diagonal D."""

    def __init__(self, operator: LinearOperator, diagonal: np.ndarray):
        super().__init__(np.float64, operator.shape)
        self.objective = operator.objective
        self._operator = operator
        self._diagonal = diagonal[:, None]

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matmat(v.reshape(-1, 1))[:, 0]

    def _matmat(self, block: np.ndarray) -> np.ndarray:
        return self._diagonal * (self._operator @ (self._diagonal * block))


def _search(found: Eigenvalues) -> dict[str, Any]:
    return {
        "residual": float(found.residuals[0]),
        "converged": bool(found.converged[0]),
        "tolerance": found.tolerance,
        "miss_probability": found.miss_probability,
        "num_products": found.num_products,
        "num_pilot_samples": found.num_pilot_samples,
        "num_pilot_products": found.num_pilot_products,
        "seconds": found.seconds,
        "seed": found.seed,
    }
