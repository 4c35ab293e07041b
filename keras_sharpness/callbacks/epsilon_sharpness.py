"""Keskar's ε-sharpness during `fit`."""

from collections.abc import Sequence
from typing import Any, Unpack

from keras_sharpness import arguments
from keras_sharpness.callbacks._measurement import Measurement
from keras_sharpness.callbacks._objective import MeasurementOptions
from keras_sharpness.metrics.epsilon_sharpness import (
    NUM_STARTS,
    Maximizer,
    epsilon_sharpness,
)
from keras_sharpness.metrics.epsilon_sharpness import (
    EpsilonSharpness as EpsilonSharpnessResult,
)
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.progress import ProgressOption


class EpsilonSharpness(Measurement):
    """Measures the ε-sharpness of Keskar et al. during the training.

    How far the loss rises within a small box around the weights, in percent;
    see `ks.epsilon_sharpness` for the formula. Written into the logs of every
    epoch:

    * `epsilon_sharpness`, the last value that was measured;
    * `epsilon_sharpness_seconds`, what measuring took in this epoch;
    * `epsilon_sharpness_skipped`, with a limit only: measurements that were
      left out in this epoch to keep within it.

    Callbacks that come later in `callbacks=[...]` see them, and so do
    `History` and the progress line: put this one before `CSVLogger`,
    `TensorBoard`, `EarlyStopping` and `ModelCheckpoint`, and after
    `SwapEMAWeights` if the averaged weights are to be measured. The training
    is not touched: the same seed gives the same weights with and without.
    `EarlyStopping` and `ModelCheckpoint` do not know which way is better and
    need `mode="min"`. `BackupAndRestore` restores the training and no results:
    after an interruption, `results` begin with it anew, and so does the curve.

    Args:
        x: Data to measure on, as for `ks.Objective`: arrays, a
            `tf.data.Dataset` or a `keras.utils.PyDataset`. Or a `ks.Objective`
            of the model, which several callbacks may share.
        y: Targets; left out where `x` brings them.
        epsilon: Float. ε > 0, half the width of the box.
        subspace_dim: Int. Number of random directions; None for the full
            space.
        maximizer: Str. As in `ks.epsilon_sharpness`.
        max_iterations: Int. Of the maximizer, per start.
        num_starts: Int. A measurement's cost is proportional to it.
        seed: Int. For the subspace and random starts, the same every time.
        name: Str. Key in the logs. Pass another one to measure on several data
            sets, e.g. `"val_epsilon_sharpness"`.
        frequency: `"epoch"` or int. Measures at the end of every epoch, or
            after every so many batches, and at the end of the first epoch in
            any case.
        max_seconds: Float. Seconds that all measurements of one `fit` may take
            together. One that would last longer is broken off.
        max_share: Float. Seconds of measuring per second of everything else.
            A measurement that would exceed it is left out, until there is
            room again. The set-up, which compiles, is not counted.
        **options: Further arguments of `ks.Objective`, such as `batch_size`.

    Attributes:
        results: List of `EpsilonSharpness` results, without displacements.
        epochs: List of int, the epoch of each result.
        steps: List of int, updates of the weights before each result.

    Raises:
        ValueError: For options out of range; when the training begins, for
            data that do not fit the model.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_sharpness.callbacks import EpsilonSharpness

    x, y = np.eye(4), np.ones((4, 1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    sharpness = EpsilonSharpness(x, y, epsilon=1e-3)
    history = model.fit(x, y, epochs=2, callbacks=[sharpness], verbose=0)
    assert len(history.history["epsilon_sharpness"]) == 2
    assert sharpness.results[-1].epsilon == 1e-3
    ```

    Reference:
        Keskar et al. 2017, https://arxiv.org/abs/1609.04836, Metric 2.1.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        epsilon: float = 1e-3,
        subspace_dim: int | None = None,
        maximizer: Maximizer = "auto",
        max_iterations: int = 10,
        num_starts: int = NUM_STARTS,
        seed: int = 0,
        name: str = "epsilon_sharpness",
        **options: Unpack[MeasurementOptions],
    ):
        super().__init__(x, y, name=name, **options)
        self._arguments = {
            "epsilon": arguments.real("epsilon", epsilon, above=0.0),
            "subspace_dim": arguments.integer(
                "subspace_dim", subspace_dim, least=1, optional=True
            ),
            "maximizer": arguments.one_of("maximizer", maximizer, Maximizer),
            "max_iterations": arguments.integer(
                "max_iterations", max_iterations, least=1
            ),
            "num_starts": arguments.integer("num_starts", num_starts, least=1),
            "seed": arguments.seed(seed),
        }

    def keys(self) -> list[str]:
        """The key of the ε-sharpness."""
        return [self.name]

    def measure(
        self, objective: Objective, progress: ProgressOption
    ) -> tuple[EpsilonSharpnessResult, Sequence[float]]:
        """Calls `ks.epsilon_sharpness`."""
        result = epsilon_sharpness(
            objective, progress=progress, **self._arguments
        )
        return result.without_vectors(), [result.value]
