"""The trace of the Hessian during `fit`."""

from collections.abc import Sequence
from typing import Any, Unpack

from keras_sharpness import arguments
from keras_sharpness.callbacks._measurement import Measurement
from keras_sharpness.callbacks._objective import MeasurementOptions
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.trace import Method, Trace, hessian_trace
from keras_sharpness.progress import ProgressOption


class HessianTrace(Measurement):
    """Measures the trace of the Hessian during the training.

    The sum of all eigenvalues, estimated from random probes: the same ones
    every time, so that the curve over the epochs is smoother than the
    standard errors are large. Written into the logs of every epoch:

    * `hessian_trace` and `hessian_trace_standard_error`;
    * `hessian_trace_seconds`, what measuring took in this epoch;
    * `hessian_trace_skipped`, with a limit only.

    All else, and the place among other callbacks, is as for
    `EpsilonSharpness`.

    Args:
        x: Data, or a `ks.Objective` of the model, as for `EpsilonSharpness`.
        y: Targets; left out where `x` brings them.
        num_probes: Int. The standard error falls with its square root.
        method: Str. `"hutchinson"`, `"hutch++"` or `"xtrace"`, see
            `ks.hessian_trace`.
        seed: Int. For the probes.
        name: Str. How the keys in the logs begin.
        **options: `frequency`, `max_seconds` and `max_share`, as for
            `EpsilonSharpness`, and further arguments of `ks.Objective`, such
            as `batch_size`.

    Attributes:
        results: List of `Trace` results; they hold the traces of the layers.
        epochs: List of int, the epoch of each result.
        steps: List of int, updates of the weights before each result.

    Raises:
        ValueError: For options out of range; when the training begins, for
            data that do not fit the model.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_sharpness.callbacks import HessianTrace

    x, y = np.eye(4), np.ones((4, 1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    trace = HessianTrace(x, y, num_probes=8)
    history = model.fit(x, y, epochs=2, callbacks=[trace], verbose=0)
    # 2/4 [I 1; 1ᵀ 4] has the trace 4.
    error = trace.results[0].standard_error
    assert abs(history.history["hessian_trace"][0] - 4.0) < 4 * error
    ```
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        num_probes: int = 16,
        method: Method = "hutchinson",
        seed: int = 0,
        name: str = "hessian_trace",
        **options: Unpack[MeasurementOptions],
    ):
        super().__init__(x, y, name=name, **options)
        self._arguments = {
            "num_probes": arguments.integer("num_probes", num_probes, least=2),
            "method": arguments.one_of("method", method, Method),
            "seed": arguments.seed(seed),
        }

    def keys(self) -> list[str]:
        """The keys of the trace and of its standard error."""
        return [self.name, f"{self.name}_standard_error"]

    def measure(
        self, objective: Objective, progress: ProgressOption
    ) -> tuple[Trace, Sequence[float]]:
        """Calls `ks.hessian_trace`."""
        result = hessian_trace(objective, progress=progress, **self._arguments)
        return result, [result.value, result.standard_error]
