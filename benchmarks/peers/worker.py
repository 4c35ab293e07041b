"""What the two workers share: orders over pipes, times, peak memory."""

import argparse
import ctypes
import dataclasses
import gc
import importlib.metadata
import json
import math
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import settings


@dataclasses.dataclass(frozen=True)
class Operation:
    """One row of the table for one library.

    Args:
        run: Callable `run(prepared)`, which is timed.
        prepare: Callable whose result is reused by every `run`.
        warm_up: Callable `warm_up(prepared)` that compiles what `run` uses;
            `run` itself when left out.
        report: Callable `report(prepared, result)`: a dict of what to write
            down of the result, not timed.
    """

    run: Callable[[Any], Any]
    prepare: Callable[[], Any] = lambda: None
    warm_up: Callable[[Any], Any] | None = None
    report: Callable[[Any, Any], dict[str, Any]] = lambda _, __: {}


Operations = dict[tuple[str, str], Operation]


class Turns:
    """Runs operations, one call a turn.

    Args:
        operations: Dict (library, row) -> `Operation`.
        small: The same on a few samples: it loads what the libraries load on
            first use, before memory is looked at.
    """

    def __init__(self, operations: Operations, small: Operations) -> None:
        self._operations = operations
        self._small = small
        self._prepared: dict[tuple[str, str], Any] = {}

    def start(self, library: str, row: str) -> dict[str, Any]:
        """The first call, its peak memory and what is to be reported."""
        for key, operation in self._small.items():
            if key[0] == library and key[1] in ("gradient", "product"):
                operation.run(operation.prepare())
        key = (library, row)
        operation = self._operations[key]
        peak = PeakMemory()
        prepared = self._prepared[key] = operation.prepare()
        (operation.warm_up or operation.run)(prepared)
        answer = {}
        if operation.warm_up is None:
            # A call like all that follow, and the first one apart from it.
            answer["first_peak_bytes"] = peak.read()
            peak.forget()
        seconds, result = self._time(key)
        return {
            "seconds": seconds,
            "peak_bytes": peak.read(),
            **answer,
            **operation.report(prepared, result),
        }

    def call(self, library: str, row: str) -> dict[str, Any]:
        """One more call."""
        return {"seconds": self._time((library, row))[0]}

    def _time(self, key: tuple[str, str]) -> tuple[float, Any]:
        start = time.perf_counter()
        result = self._operations[key].run(self._prepared[key])
        return time.perf_counter() - start, result


class PeakMemory:
    """How far resident memory rises above what it is now.

    Linux's own high-water mark, set back here, so that no short peak is
    missed. Freed memory goes back to the system first: what is left in the
    allocator would hide what the next call needs.
    """

    def __init__(self) -> None:
        self.forget()
        self._start = _status("VmRSS")

    def forget(self) -> None:
        """Sets the high-water mark back; the start remains what it was."""
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")

    def read(self) -> int:
        """Bytes above those at the start, at the highest point."""
        return _status("VmHWM") - self._start


def options() -> argparse.Namespace:
    """What the parent starts a worker with."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--threads", type=int, required=True)
    return parser.parse_args()


def serve(session: Any) -> None:
    """Answers orders, a line of JSON each, until the input ends.

    Args:
        session: Its method of the order's name is called.
    """
    # Libraries print: their words go to the terminal, not into the pipe.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(session, order.pop("order"))(**order)
        # What the libraries compared raise is their own (TensorFlow's and
        # PyTorch's errors, out of memory among them, AttributeError where an
        # operation does not exist, plain RuntimeError of all kinds) and a cell
        # of the table; the other cells are still to be measured.
        except Exception as error:
            traceback.print_exc()
            words = " ".join(str(error).split())
            answer = {"error": f"{type(error).__name__}: {words}"}
        answers.write(json.dumps(answer) + "\n")


def gigaflops(multiply: Callable[[], Any]) -> dict[str, float]:
    """How fast a framework multiplies matrices, the unit of all its times.

    Args:
        multiply: Callable that multiplies matrices of the lengths
            `MATRIX_PRODUCT`.

    Returns:
        Dict: 1e9 operations a second, a multiplication and an addition being
        two; the median of 15 products.
    """
    multiply()
    seconds = []
    for _ in range(15):
        start = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - start)
    operations = 2 * math.prod(settings.MATRIX_PRODUCT)
    return {"gigaflops": operations / statistics.median(seconds) / 1e9}


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The installed versions of the packages."""
    return {name: importlib.metadata.version(name) for name in packages}


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {name}.")
