"""Flat arrays: in pieces, from tensors, in memory that is used again."""

import math
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

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


def as_rows(v: np.ndarray, dtype: str, memory: "ReusedMemory") -> np.ndarray:
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


class ReusedMemory:
    """Arrays in the memory of earlier ones that nobody holds any more.

    Large arrays come from the system and go back to it, page by page, at every
    call; a virtual machine that hands its free pages to the host waits for
    each of them. On such a machine that was a quarter of the time of a Hessian
    product, with calls two seconds apart; of a block of eight with C1, taken in
    turn with others, 15 % (benchmarks/results/engine_parts_before.md).

    An array is nobody's but the caller's, like any other, until it and all
    views of it are gone.

    Example:

    ```python
    from keras_sharpness.metrics.flat_arrays import ReusedMemory

    memory = ReusedMemory()
    first = memory.empty("products", (2, 3), "float64")
    place = first.ctypes.data
    del first
    second = memory.empty("products", (6,), "float64")
    assert second.ctypes.data == place
    assert memory.empty("products", (6,), "float64").ctypes.data != place
    ```
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, tuple[np.ndarray, Callable[[], Any]]] = {}

    def empty(
        self, purpose: str, shape: tuple[int, ...], dtype: DTypeLike
    ) -> np.ndarray:
        """An array whose entries are whatever was there.

        Args:
            purpose: Str. Of arrays for one purpose one is remembered.
            shape: Tuple of ints.
            dtype: NumPy dtype.

        Returns:
            Array.
        """
        dtype = np.dtype(dtype)
        count = math.prod(shape)
        with self._lock:
            memory, holder = self._places.get(purpose, (None, lambda: None))
            if (
                memory is None
                or memory.nbytes < count * dtype.itemsize
                or holder() is not None
            ):
                memory = np.empty(count * dtype.itemsize, np.uint8)
            # Over a memoryview, so that all views refer to this very array and
            # not to what is below it.
            array = np.frombuffer(memory.data, dtype, count)
            self._places[purpose] = memory, weakref.ref(array)
        return array.reshape(shape)
