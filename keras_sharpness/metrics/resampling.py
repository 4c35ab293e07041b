"""An objective on samples or batches drawn from its data."""

from collections.abc import Iterator
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.batches import Batch, Batches
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.other_data import with_batches

Unit = Literal["sample", "batch"]


class DrawnSamples:
    """Objectives on drawn samples of arrays.

    Args:
        objective: `Objective` on arrays, which are copied once.

    Attributes:
        unit: Str. `"sample"`.
        num_units: Int. N.
    """

    unit: Unit = "sample"

    def __init__(self, objective: Objective):
        self._objective = objective
        self.num_units = objective.num_samples
        parts = [tuple(batch[:3]) for batch in objective._batches]
        self._arrays = keras.tree.map_structure(_joined, *parts)

    def __call__(self, chosen: np.ndarray) -> Objective:
        """The objective on the units of these numbers, repeated ones too."""
        # In order: neighbours in memory are copied faster.
        chosen = np.sort(chosen)
        x, y, sample_weight = keras.tree.map_structure(
            lambda array: _chosen(array, chosen), self._arrays
        )
        batches = Batches(
            x,
            y,
            sample_weight=sample_weight,
            batch_size=self._objective.batch_size,
            dtype=self._objective.layout.dtype,
        )
        return with_batches(self._objective, batches, len(chosen))


def _joined(*tensors: Any) -> Any:
    if tensors[0] is None:
        return None
    if isinstance(tensors[0], tf.RaggedTensor):
        return tf.concat(tensors, axis=0)
    return np.concatenate([keras.ops.convert_to_numpy(t) for t in tensors])


def _chosen(array: Any, numbers: np.ndarray) -> Any:
    if isinstance(array, tf.RaggedTensor):
        return tf.gather(array, numbers)
    return None if array is None else array[numbers]


class DrawnBatches:
    """Objectives on drawn batches, each read as often as it was drawn.

    Args:
        objective: `Objective`.

    Attributes:
        unit: Str. `"batch"`.
        num_units: Int. The number of batches.
    """

    unit: Unit = "batch"

    def __init__(self, objective: Objective):
        self._objective = objective
        self._sizes = np.array([batch.size for batch in objective._batches])
        self.num_units = len(self._sizes)

    def __call__(self, chosen: np.ndarray) -> Objective:
        """The objective on the units of these numbers, repeated ones too."""
        counts = np.bincount(chosen, minlength=self.num_units)
        return with_batches(
            self._objective,
            _Repeated(self._objective._batches, counts),
            int(counts @ self._sizes),
        )


class _Repeated:
    """Batches, each as often as `counts` says."""

    def __init__(self, batches: Batches, counts: np.ndarray):
        self._batches = batches
        self._counts = counts

    def __iter__(self) -> Iterator[Batch]:
        for batch, count in zip(self._batches, self._counts, strict=True):
            for _ in range(count):
                yield batch
