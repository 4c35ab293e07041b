"""Flat arrays: in pieces, from tensors, as rows of a block."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

# Vectors that are multiplied together at most. What they share is a quarter of
# one product: more of them save little.
MAX_BLOCK = 8
_PIECE = 4096


def chunks(start: int, stop: int, length: int = 1 << 16) -> Iterator[slice]:
    """Slices of at most `length` entries that cover `start:stop`.

    Args:
        start: Int.
        stop: Int.
        length: Int. As many as the caller's work on an entry leaves room for.

    Yields:
        Slices, all but the last of them of the same length.
    """
    for low in range(start, stop, length):
        yield slice(low, min(low + length, stop))


def add(total: np.ndarray, tensors: Iterable[Any]) -> None:
    """Adds tensors to a flat float64 array, one after the other.

    Args:
        total: Array (P,), float64.
        tensors: Tensors of P entries in all.
    """
    for part, array in _side_by_side(total, tensors):
        # Into float64 without a float64 copy of the addend.
        np.add(part, array, out=part)


def fill(total: np.ndarray, tensors: Iterable[Any]) -> None:
    """Writes tensors into a flat array, one after the other.

    Args:
        total: Array (P,).
        tensors: Tensors of P entries in all.
    """
    for part, array in _side_by_side(total, tensors):
        part[...] = array


def _side_by_side(
    total: np.ndarray, tensors: Iterable[Any]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    end = 0
    for tensor in tensors:
        array = np.ravel(tensor)
        start, end = end, end + array.size
        yield total[start:end], array


def as_rows(v: np.ndarray, dtype: str) -> np.ndarray:
    """The columns of a block as rows.

    Args:
        v: Array (P,) or (P, K).
        dtype: Str. Of a copy.

    Returns:
        Array (K, P), contiguous: the columns themselves, in the dtype they
        have, where they are contiguous, and a copy of this dtype otherwise.
    """
    columns = np.reshape(v, (len(v), -1))
    if columns.T.flags.c_contiguous:
        return columns.T
    rows = np.empty(columns.shape[::-1], dtype)
    # In pieces that fit in the cache: twice as fast as all at once.
    for piece in chunks(0, len(v), _PIECE):
        rows[:, piece] = columns[piece].T
    return rows
