"""Flat arrays and the tensors whose entries they hold."""

from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.reused_memory import (
    ReusedMemory,
)
from keras_sharpness.metrics.chunks import chunks

_PIECE = 4096


def add(total: np.ndarray, tensors: Iterable[tf.Tensor]) -> None:
    """Adds tensors to a flat float64 array, one after the other.

    Args:
        total: Array (P,), float64.
        tensors: Tensors of P entries in all.
    """
    for part, array in _side_by_side(total, tensors):
        # Into float64 without a float64 copy of the addend.
        np.add(part, array, out=part)


def fill(total: np.ndarray, tensors: Iterable[tf.Tensor]) -> None:
    """Writes tensors into a flat array, one after the other.

    Args:
        total: Array (P,).
        tensors: Tensors of P entries in all.
    """
    for part, array in _side_by_side(total, tensors):
        part[...] = array


def _side_by_side(
    total: np.ndarray, tensors: Iterable[tf.Tensor]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    end = 0
    for tensor in tensors:
        array = np.ravel(tensor)
        start, end = end, end + array.size
        yield total[start:end], array


def as_rows(v: np.ndarray, dtype: str, memory: ReusedMemory) -> np.ndarray:
    """The columns of a block as rows.

    Args:
        v: Array (P,) or (P, K).
        dtype: Str. Of a copy.
        memory: `ReusedMemory` for what is returned.

    Returns:
        Array (K, P), contiguous: the columns themselves, in the dtype they
        have, where they are contiguous, and a copy of this dtype otherwise.
    """
    columns = np.reshape(v, (len(v), -1))
    if columns.T.flags.c_contiguous:
        return columns.T
    rows = memory.empty("vectors", columns.shape[::-1], dtype)
    # In pieces that fit in the cache: twice as fast as all at once.
    for piece in chunks(0, len(v), _PIECE):
        rows[:, piece] = columns[piece].T
    return rows
