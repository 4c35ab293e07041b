"""Large batches in parts, for products that hold much at once."""

import functools
import os
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.tensor_bytes import graph_bytes
from keras_sharpness.metrics.batches import Batch

# Measured by benchmarks/batch_parts.py.
# Of all tensors of a part's gradient, for each core. On two cores parts of this
# size cost 0 to 4 % of a product or save as much, smaller ones up to 15 %.
_LEAST_PER_CORE = 2**27
# Parts write a product each: with fewer bytes than this to a byte of the
# weights, that would count.
_LEAST_PER_WEIGHT = 32
# Every part runs all operations, some 20 µs for each that XLA does not compile:
# networks of thousands took a third more time in parts of half as much.
_LEAST_PER_OPERATION = 2**20


class BatchParts:
    """Cuts batches into equal parts where that saves memory and costs no time.

    What a product holds at once, beside what is kept for the next, grows with
    the samples it works on. A batch is halved as long as each part has enough
    to do. Only for losses that are a mean over samples that stay apart, as
    `BatchLoss.keeps_samples_apart` knows: where samples see each other, the
    parts would have another loss than the batch.

    Args:
        num_weights: Int. P.
        dtype: Str. That of the weights.
        num_cores: Int. Those of the machine when left out.
    """

    def __init__(
        self, num_weights: int, dtype: str, *, num_cores: int | None = None
    ):
        self._least = max(
            _LEAST_PER_CORE * (num_cores or os.cpu_count() or 1),
            _LEAST_PER_WEIGHT * num_weights * np.dtype(dtype).itemsize,
        )
        self._bytes_per_sample = 0.0

    def decide(self, batch: Batch, gradient: Any, *, jit_compile: bool) -> None:
        """Finds out whether batches like this one are cut.

        Args:
            batch: `Batch`.
            gradient: Its gradient as a TensorFlow concrete function, by which
                the memory of products is estimated.
            jit_compile: Bool. Whether XLA compiles what multiplies.
        """
        if tf.config.list_physical_devices("GPU"):
            # It does most with whole batches, and has memory of its own.
            return
        if not jit_compile:
            count = sum(
                operation.type not in ("Placeholder", "Const")
                for operation in gradient.graph.get_operations()
            )
            self._least = max(self._least, _LEAST_PER_OPERATION * count)
        num_bytes = graph_bytes(gradient, batch.size)
        self._bytes_per_sample = num_bytes / batch.size

    def of(self, batch: Batch) -> Iterator[Batch]:
        """Yields the parts of a batch, in order; the batch where it is whole.

        Args:
            batch: `Batch`.
        """
        num_parts = 1
        num_bytes = self._bytes_per_sample * batch.size
        while (
            batch.size % (2 * num_parts) == 0
            and num_bytes >= 2 * num_parts * self._least
        ):
            num_parts *= 2
        if num_parts > 1 and _is_cuttable(batch):
            yield from _cut(batch, num_parts)
        else:
            yield batch


def _is_cuttable(batch: Batch) -> bool:
    return all(
        isinstance(tensor, tf.Tensor)
        and tensor.shape.rank
        and tensor.shape[0] == batch.size
        for tensor in keras.tree.flatten(tuple(batch[:3]))
        if tensor is not None
    )


def _cut(batch: Batch, num_parts: int) -> Iterator[Batch]:
    size = batch.size // num_parts
    for start in range(0, batch.size, size):
        rows = functools.partial(_rows, start=start, end=start + size)
        part = keras.tree.map_structure(rows, tuple(batch[:3]))
        yield Batch(*part, size)


def _rows(tensor: tf.Tensor | None, *, start: int, end: int) -> Any:
    return None if tensor is None else tensor[start:end]
