"""Members in processes of their own: one training each, and then gone.

A fresh program for each member gives back all its memory, that of a GPU too,
and a crash takes no other member with it. It is started without the user's
script, which therefore needs no `if __name__ == "__main__"`, and in a session
of its own, so that Ctrl-C reaches it through the driver alone.
"""

import collections
import contextlib
import dataclasses
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO

import psutil

from keras_sharpness.files import write_atomically
from keras_sharpness.studies.executors.payload import (
    packed,
    worker_environment,
)
from keras_sharpness.studies.executors.worker import FAILED, PATIENCE_SECONDS
from keras_sharpness.studies.member_run import TRACEBACK, kept_reason
from keras_sharpness.studies.progress import MemberProgress
from keras_sharpness.studies.work import Work

# A member that takes its process down, e.g. for want of memory, goes on from
# its checkpoint so many times.
_MOST_STARTS = 3
# Keras with its framework, before there is a model.
_LEAST_BYTES = 1 << 30
_POLL_SECONDS = 0.05


@dataclasses.dataclass
class _Worker:
    process: subprocess.Popen
    errors: IO[bytes]

    @classmethod
    def start(cls, name: str, content: bytes, threads: int) -> "_Worker":
        errors = tempfile.TemporaryFile()  # noqa: SIM115  # it outlives this
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_sharpness.studies.executors.worker"],
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            env={**os.environ, **worker_environment(threads)},
            start_new_session=True,
        )
        worker = cls(process, errors)
        header = pickle.dumps((name, threads, len(content)))
        try:
            process.stdin.write(header + content)
            process.stdin.flush()
        except BrokenPipeError:
            pass  # Its exit status says why it is gone.
        except BaseException:
            worker.stop()
            raise
        return worker

    @property
    def num_bytes(self) -> int:
        """Memory that it has now."""
        try:
            return psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            return 0

    def last_words(self) -> str:
        """The end of what it wrote."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-4000:]

    def close(self) -> None:
        """Lets go of a process that has ended."""
        self.stop()
        self.errors.close()

    def stop(self) -> None:
        """Asks it to end, as Ctrl-C does."""
        if not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def wait(self, until: float) -> None:
        """Waits for the end, and forces it after a time."""
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_in_processes(
    work: Work,
    names: Sequence[str],
    bars: MemberProgress,
    *,
    workers: int,
    threads: int,
) -> dict[str, str]:
    """Runs members in processes, several at a time.

    One more is started while fewer than `workers` run and the free memory
    holds what the largest so far has taken.

    Args:
        work: The `Work`.
        names: Sequence of str, members in an order that puts starts first.
        bars: `MemberProgress`.
        workers: Int. The most processes at a time.
        threads: Int. How many threads share the work of a member.

    Returns:
        Dict from the names of those that failed to the reason.
    """
    content = packed(work)
    waiting, running = list(names), {}
    starts: collections.Counter = collections.Counter()
    failures: dict[str, str] = {}
    largest = _LEAST_BYTES + 2 * len(content)
    try:
        while waiting or running:
            bars.check_interrupts()
            sizes = {name: w.num_bytes for name, w in running.items()}
            largest = max([largest, *sizes.values()])
            name = next_ready(work, waiting, [*waiting, *running])
            if name and len(running) < workers and _has_room(sizes, largest):
                waiting.remove(name)
                starts[name] += 1
                bars.begin(name)
                running[name] = _Worker.start(name, content, threads)
                continue
            ended = [
                n for n, w in running.items() if w.process.poll() is not None
            ]
            for name in ended:
                worker = running.pop(name)
                status = worker.process.returncode
                if status not in (0, FAILED) and starts[name] < _MOST_STARTS:
                    bars.drop(name)
                    waiting.insert(0, name)
                elif status:
                    failures[name] = _reason(work, name, worker, starts[name])
                    bars.end(name, "failed")
                else:
                    bars.end(name)
                worker.close()
            if not ended:
                time.sleep(_POLL_SECONDS)
    finally:
        for worker in running.values():
            worker.stop()
        until = time.monotonic() + PATIENCE_SECONDS
        for worker in running.values():
            worker.wait(until)
            worker.close()
    return failures


def next_ready(
    work: Work, waiting: Sequence[str], unfinished: Sequence[str]
) -> str | None:
    """The first member whose start is not still to be trained.

    Args:
        work: The `Work`.
        waiting: Sequence of str, members that do not run yet.
        unfinished: Sequence of str, these and those that run.

    Returns:
        Str, or None if all wait for others.
    """
    for name in waiting:
        if work.member(name).start not in unfinished:
            return name
    return None


def _has_room(sizes: dict[str, int], largest: int) -> bool:
    """Whether one more fits, when all that run grow to the largest size."""
    still_to_come = sum(max(0, largest - size) for size in sizes.values())
    free = psutil.virtual_memory().available
    return not sizes or free - still_to_come > largest


def _reason(work: Work, name: str, worker: _Worker, starts: int) -> str:
    """Why a member failed; where its folder does not say, now it does."""
    status, path = worker.process.returncode, work.path(name)
    said = kept_reason(path) if status == FAILED else None
    if said is not None:
        return said
    last = worker.last_words()
    how = f"signal {-status}" if status < 0 else f"status {status}"
    reason = (
        last.strip().rpartition("\n")[2]
        if status == FAILED
        else f"Its process ended by {how}, {starts} times."
    )
    if path.is_dir():
        write_atomically(path / TRACEBACK, f"{last}\n{reason}\n".encode())
    return reason
