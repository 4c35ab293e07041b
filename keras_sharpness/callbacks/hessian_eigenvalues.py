"""Extreme eigenvalues of the Hessian during `fit`."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, Unpack

from keras_sharpness.callbacks._measurement import Measurement
from keras_sharpness.callbacks._objective import MeasurementOptions
from keras_sharpness.callbacks._spectrum_writer import SpectrumWriter
from keras_sharpness.callbacks._warm_start import PresentHessian, WarmStart
from keras_sharpness.metrics.eigenvalues import Eigenvalues, Which
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.progress import ProgressOption


class HessianEigenvalues(Measurement):
    """Measures the largest eigenvalues of the Hessian during the training.

    The largest alone is searched first on the 100 samples of largest loss,
    from the gradient of these. Once the network classifies most samples, a
    single product with all the data then finds that this eigenvector is good
    enough, or the search goes on from there: in any case eigenvalue, residual
    and `converged` are those of all the data, and the results say how many
    products were made with either. This goes for arrays of at least 400
    samples and networks of some size (2 million weights times samples),
    without `loss_fn`, sample weights and several outputs, and with
    `batch_norm="inference"`.

    Other searches, for k > 1 and the smallest too, start from the
    eigenvectors that the last one found, so that they take a few products, and
    follow one more than is asked for, which may overtake the others. The first
    search and every tenth after it start from random vectors, and find the
    largest but for a chance of one in a thousand; between them a new one may
    be missed, and `miss_probability` of the result is None. Written into the
    logs of every epoch:

    * `hessian_eigenvalue`, the largest, then `hessian_eigenvalue_2` to `_k`;
    * `hessian_smallest_eigenvalue`, the most negative, then
      `hessian_smallest_eigenvalue_2` to `_k`, where `which` asks for them;
    * `hessian_eigenvalue_seconds`, what measuring took in this epoch;
    * `hessian_eigenvalue_skipped`, with a limit only.

    All else, and the place among other callbacks, is as for
    `EpsilonSharpness`.

    Args:
        x: Data, or a `ks.Objective` of the model, as for `EpsilonSharpness`.
        y: Targets; left out where `x` brings them.
        k: Int. How many eigenvalues, from each end that is asked for.
        which: Str. `"largest"`, `"smallest"` or `"both"`.
        tolerance: Float. Relative residual ‖H u − λ u‖ / |λ| at which an
            eigenvalue is good enough. Its error is about `tolerance² λ²` over
            the distance to the next eigenvalue: with 0.05, around 1 % where
            that is a quarter of λ. `ks.hessian_eigenvalues` takes 1e-3, which
            costs half as much again.
        max_products: Int. At the most, as for `ks.hessian_eigenvalues`.
        seed: Int. For the start vectors.
        log_dir: Path. Histograms of the eigenvalues are written to a run of
            its own there, `log_dir/hessian_eigenvalue`, for TensorBoard.
        name: Str. How the keys in the logs begin; those of the smallest begin
            with `hessian_smallest_eigenvalue` unless another name is given,
            and then with that and `_smallest`.
        **options: `frequency`, `max_seconds` and `max_share`, as for
            `EpsilonSharpness`, and further arguments of `ks.Objective`, such
            as `batch_size`.

    Attributes:
        results: List of `Eigenvalues` results, without eigenvectors.
        epochs: List of int, the epoch of each result.
        steps: List of int, updates of the weights before each result.

    Raises:
        ValueError: For options out of range; when the training begins, for
            data that do not fit the model.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_sharpness.callbacks import HessianEigenvalues

    x, y = np.eye(4), np.ones((4, 1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    top = HessianEigenvalues(x, y)
    history = model.fit(x, y, epochs=2, callbacks=[top], verbose=0)
    # The Hessian of the mean squared error is 2/4 [I 1; 1ᵀ 4].
    assert np.allclose(history.history["hessian_eigenvalue"], 2.5, rtol=1e-2)
    ```
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        k: int = 1,
        which: Which = "largest",
        tolerance: float = 0.05,
        max_products: int | None = None,
        seed: int = 0,
        log_dir: str | os.PathLike | None = None,
        name: str = "hessian_eigenvalue",
        **options: Unpack[MeasurementOptions],
    ):
        self._search = WarmStart(
            k=k,
            which=which,
            tolerance=tolerance,
            max_products=max_products,
            seed=seed,
        )
        self.k = k
        self.which = which
        super().__init__(x, y, name=name, log_dir=log_dir, **options)

    def keys(self) -> list[str]:
        """The keys of the eigenvalues, in the order of the results."""
        numbers = ["", *(f"_{place}" for place in range(2, self.k + 1))]
        smallest = (
            "hessian_smallest_eigenvalue"
            if self.name == "hessian_eigenvalue"
            else f"{self.name}_smallest"
        )
        keys = []
        if self.which != "smallest":
            keys += [self.name + number for number in numbers]
        if self.which != "largest":
            keys += [smallest + number for number in reversed(numbers)]
        return keys

    def prepare(self) -> None:
        """Forgets the vectors of an earlier training."""
        self._search.forget()

    def compile_ahead(self, objective: Objective) -> None:
        """Compiles the search on the samples of largest loss."""
        self._search.prepare(PresentHessian(objective))

    def measure(
        self, objective: Objective, progress: ProgressOption
    ) -> tuple[Eigenvalues, Sequence[float]]:
        """Calls `ks.hessian_eigenvalues`."""
        result = self._search.find(PresentHessian(objective), progress)
        result = dataclasses.replace(result, objective=objective.settings)
        return result, result.eigenvalues

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Lets go of the vectors and the data, too."""
        self._search.forget()
        super().on_train_end(logs)

    def write_histogram(
        self, writer: SpectrumWriter, result: Eigenvalues, step: int
    ) -> None:
        """One count for each eigenvalue."""
        writer.write_eigenvalues(result.eigenvalues, step)
