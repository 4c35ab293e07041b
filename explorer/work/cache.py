"""Results that were computed already, as many as there is room for."""

import collections
import dataclasses
import threading
from collections.abc import Hashable
from typing import Any

import numpy as np


class ResultCache:
    """The results used last, within a limit of bytes.

    Args:
        max_bytes: Int. Of the arrays of all results together.
    """

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._results: collections.OrderedDict[Hashable, Any] = (
            collections.OrderedDict()
        )
        self._bytes: dict[Hashable, int] = {}

    def get(self, key: Hashable) -> Any:
        """The result, or None."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def put(self, key: Hashable, result: Any) -> None:
        """Adds a result; those not used for longest go."""
        with self._lock:
            self._results.pop(key, None)
            self._results[key] = result
            self._bytes[key] = num_bytes(result)
            while len(self._results) > 1 and self.num_bytes > self._max_bytes:
                oldest, _ = self._results.popitem(last=False)
                del self._bytes[oldest]

    @property
    def num_bytes(self) -> int:
        """Bytes of all results."""
        return sum(self._bytes.values())

    def __len__(self) -> int:
        return len(self._results)

    def clear(self) -> None:
        """Drops everything."""
        with self._lock:
            self._results.clear()
            self._bytes.clear()


def num_bytes(value: Any) -> int:
    """About how much memory a result takes."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if dataclasses.is_dataclass(value):
        value = [getattr(value, f.name) for f in dataclasses.fields(value)]
    elif isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return 64 + sum(num_bytes(item) for item in value)
    return 64


# Of what is computed from the demo and from studies, for all sessions: a link
# shows a second reader at once what the first one computed. What is computed
# from dropped files stays in the cache of its session.
SHARED = ResultCache(max_bytes=200 << 20)
