"""What schedules of the batch size measure of the model they train."""

from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.eigenvalues import hessian_eigenvalues
from keras_sharpness.metrics.gradient_variance import gradient_variance
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.training.backend import Data

# A curvature is compared with half of another one, and ABSA's authors ask for
# no more of their power iteration.
_TOLERANCE = 1e-2
_NUM_PARTS = 16


class TrainingProbes:
    """Curvature and gradients of a model in training, on a few samples.

    The samples are drawn once, from the training's seed. Dropout is off, and
    batch normalisation uses the moving statistics.

    Args:
        model: `keras.Model`, compiled.
        data: `Data` of arrays (N, ...).
        num_samples: Int. N.
        seed: Int. The training's seed.
    """

    def __init__(
        self, model: keras.Model, data: Data, *, num_samples: int, seed: int
    ):
        self._model = model
        self._data = data
        self._num_samples = num_samples
        self._seed = seed
        self._objectives: dict[str, Objective] = {}

    def largest_eigenvalue(self, num_samples: int) -> float:
        """λ, the largest eigenvalue of the Hessian.

        Args:
            num_samples: Int. Samples to measure on.

        Returns:
            Float.
        """
        found = hessian_eigenvalues(
            self._objective("curvature", min(num_samples, self._num_samples)),
            k=1,
            tolerance=_TOLERANCE,
            progress=False,
        )
        return float(found.eigenvalues[0])

    def gradient_variance(self, num_samples: int) -> tuple[float, float]:
        """The variance of the samples' gradients, and their mean's square.

        Args:
            num_samples: Int. Samples to measure on, a few less where they
                make no equal parts.

        Returns:
            Estimates of `1/(n − 1) Σ ‖gᵢ − G‖²` and ‖G‖², from the gradients
            of 16 parts.
        """
        num_samples = min(num_samples, self._num_samples)
        parts = min(num_samples, _NUM_PARTS)
        size = num_samples // parts
        return gradient_variance(
            self._objective("variance", parts * size, batch_size=size)
        )

    def _objective(
        self, name: str, num_samples: int, **options: Any
    ) -> Objective:
        if name not in self._objectives:
            generator = np.random.default_rng([self._seed, 2])
            chosen = generator.permutation(self._num_samples)[:num_samples]
            x, y, sample_weight = keras.tree.map_structure(
                lambda array: None if array is None else array[chosen],
                tuple(self._data),
            )
            self._objectives[name] = Objective(
                self._model, x, y, sample_weight=sample_weight, **options
            )
        return self._objectives[name]
