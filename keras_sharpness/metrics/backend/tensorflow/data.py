"""Data that only TensorFlow knows: ragged and sparse tensors, tf.data."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def is_infinite(data_set: Any) -> bool:
    """Whether a data set never ends, as far as it says.

    Args:
        data_set: Iterable, e.g. a `tf.data.Dataset`.

    Returns:
        Bool.
    """
    cardinality = getattr(data_set, "cardinality", None)
    return (
        cardinality is not None
        and int(cardinality()) == tf.data.INFINITE_CARDINALITY
    )


def is_ragged_or_sparse(values: Any) -> bool:
    """Whether values are a tensor that is no array.

    Args:
        values: Anything.

    Returns:
        Bool.
    """
    return isinstance(values, tf.RaggedTensor | tf.SparseTensor)


def sparse_tensor(matrix: Any) -> tf.SparseTensor:
    """A sparse tensor of a matrix of SciPy's.

    Args:
        matrix: `scipy.sparse` matrix in coordinate format, (N, D).

    Returns:
        Sparse tensor, in the order of rows.
    """
    indices = np.stack([matrix.row, matrix.col], axis=1).astype("int64")
    return tf.sparse.reorder(
        tf.SparseTensor(indices, matrix.data, matrix.shape)
    )


def cast_floats(values: Any, dtype: str) -> Any:
    """A ragged or sparse tensor, floating-point numbers as `dtype`.

    Args:
        values: Ragged or sparse tensor.
        dtype: Str.

    Returns:
        The same kind of tensor.
    """
    return tf.cast(values, dtype) if values.dtype.is_floating else values


def rows(values: Any, start: int, stop: int) -> Any:
    """Some of the samples of an array, or of a ragged or sparse tensor.

    Args:
        values: Array or tensor (N, ...).
        start: Int. The first sample.
        stop: Int. The one after the last; may be larger than N.

    Returns:
        The same kind of values, of fewer samples.
    """
    if not isinstance(values, tf.SparseTensor):
        return values[start:stop]
    rest = list(values.shape[1:])
    stop = min(stop, int(values.shape[0]))
    return tf.sparse.slice(
        values, [start, *[0] * len(rest)], [stop - start, *rest]
    )


def join(tensors: Sequence[Any]) -> Any:
    """The samples of several tensors as one, to be gathered from.

    Args:
        tensors: Sequence of tensors (n, ...) of one kind.

    Returns:
        Ragged tensor of ragged ones, otherwise a NumPy array.
    """
    if isinstance(tensors[0], tf.RaggedTensor):
        return tf.concat(tensors, axis=0)
    return np.concatenate([keras.ops.convert_to_numpy(t) for t in tensors])


def gather(values: Any, numbers: np.ndarray) -> Any:
    """The samples of these numbers, of what `join` returned.

    Args:
        values: Ragged tensor or NumPy array (N, ...).
        numbers: Array (n,) of int.

    Returns:
        The same kind of values, (n, ...).
    """
    if isinstance(values, tf.RaggedTensor):
        return tf.gather(values, numbers)
    return values[numbers]
