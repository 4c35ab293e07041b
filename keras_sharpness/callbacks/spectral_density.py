"""The density of the Hessian's eigenvalues during `fit`."""

import os
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.callbacks._measurement import Measurement
from keras_sharpness.callbacks._objective import MeasurementOptions
from keras_sharpness.callbacks._spectrum_writer import SpectrumWriter
from keras_sharpness.metrics.density import (
    SpectralDensity as SpectralDensityResult,
)
from keras_sharpness.metrics.density import spectral_density
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.progress import ProgressOption


class SpectralDensity(Measurement):
    """Measures the density of the Hessian's eigenvalues during the training.

    How all eigenvalues are distributed, by stochastic Lanczos quadrature; see
    `ks.spectral_density` for the formula. Each measurement takes
    `num_probes · num_steps` products, always from the same probes. Written
    into the logs of every epoch:

    * `spectral_density_largest` and `spectral_density_smallest`, the ends of
      the spectrum as the probes see them;
    * `spectral_density_trace`, the sum of the eigenvalues;
    * `spectral_density_negative_share`, the share of the negative ones;
    * `spectral_density_seconds`, what measuring took in this epoch;
    * `spectral_density_skipped`, with a limit only.

    All else, and the place among other callbacks, is as for
    `EpsilonSharpness`.

    Args:
        x: Data, or a `ks.Objective` of the model, as for `EpsilonSharpness`.
        y: Targets; left out where `x` brings them.
        num_probes: Int. The error falls with its square root; a single one
            has no error bars.
        num_steps: Int. Lanczos steps for each; the resolution grows with it.
        seed: Int. For the probes.
        log_dir: Path. Histograms that count the eigenvalues are written to a
            run of its own there, `log_dir/spectral_density`, for TensorBoard.
        name: Str. How the keys in the logs begin.
        **options: `frequency`, `max_seconds` and `max_share`, as for
            `EpsilonSharpness`, and further arguments of `ks.Objective`, such
            as `batch_size`.

    Attributes:
        results: List of `SpectralDensity` results, which
            `ks.charts.density_chart` draws.
        epochs: List of int, the epoch of each result.
        steps: List of int, updates of the weights before each result.

    Raises:
        ValueError: For options out of range; when the training begins, for
            data that do not fit the model.
        ImportError: If TensorBoard is needed and not installed.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_sharpness.callbacks import SpectralDensity

    x, y = np.eye(4), np.ones((4, 1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    density = SpectralDensity(x, y)
    history = model.fit(x, y, epochs=2, callbacks=[density], verbose=0)
    # The largest eigenvalue of 2/4 [I 1; 1ᵀ 4] is 2.5.
    assert np.allclose(history.history["spectral_density_largest"], 2.5)
    ```

    Reference:
        Ghorbani, Krishnan and Xiao 2019, https://arxiv.org/abs/1901.10159.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        num_probes: int = 2,
        num_steps: int = 40,
        seed: int = 0,
        log_dir: str | os.PathLike | None = None,
        name: str = "spectral_density",
        **options: Unpack[MeasurementOptions],
    ):
        super().__init__(x, y, name=name, log_dir=log_dir, **options)
        self._arguments = {
            "num_probes": arguments.integer("num_probes", num_probes, least=1),
            "num_steps": arguments.integer("num_steps", num_steps, least=2),
            "seed": arguments.seed(seed),
        }

    def keys(self) -> list[str]:
        """The keys of what sums the density up."""
        return [
            f"{self.name}_{quantity}"
            for quantity in ("largest", "smallest", "trace", "negative_share")
        ]

    def measure(
        self, objective: Objective, progress: ProgressOption
    ) -> tuple[SpectralDensityResult, Sequence[float]]:
        """Calls `ks.spectral_density`."""
        result = spectral_density(
            objective, progress=progress, **self._arguments
        )
        return result, [
            np.max(result.nodes),
            np.min(result.nodes),
            result.trace,
            result.negative_share,
        ]

    def write_histogram(
        self, writer: SpectrumWriter, result: SpectralDensityResult, step: int
    ) -> None:
        """How many eigenvalues lie where."""
        writer.write_density(result, step)
