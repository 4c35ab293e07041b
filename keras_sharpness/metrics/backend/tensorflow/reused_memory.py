"""Memory that is used again once nobody holds it any more."""

import math
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike


class ReusedMemory:
    """Arrays in the memory of earlier ones that nobody holds any more.

    Large arrays come from the system and go back to it, page by page, at every
    call; a virtual machine that hands its free pages to the host waits for
    each of them. On such a machine that was a quarter of the time of a Hessian
    product, with calls two seconds apart.

    An array is nobody's but the caller's, like any other, until it and all
    views of it are gone.

    Example:

    ```python
    from keras_sharpness.metrics.backend.tensorflow.reused_memory import (
        ReusedMemory,
    )

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
