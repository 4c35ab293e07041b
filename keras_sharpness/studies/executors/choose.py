"""Which executor runs the members of a study, and with how many threads."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Literal

from keras_sharpness import arguments
from keras_sharpness.studies.executors.here import run_here
from keras_sharpness.studies.progress import MemberProgress, StudyProgress
from keras_sharpness.studies.work import Work

ExecutorName = Literal["here", "process", "ray"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Executor:
    """Which executor runs the members of a study, and with how many threads.

    Args:
        kind: Str. `"here"`, in this process; `"process"`, in processes of
            their own; `"ray"`, as tasks of Ray. By default `"here"` for one
            worker and `"process"` for more.
        workers: Int. Members at a time.
        threads: Int. Threads that share the work of a member. Sums depend on
            it, so the same bits need the same number, which every run keeps
            in its log. By default those of this process for `"here"`, else
            the cores divided by the workers.
        gpus: Float. GPUs of each member, on Ray.
        ray_address: Str. Of a running Ray; None starts one on this machine.

    Raises:
        ValueError: If an option does not fit, or Ray is not installed or not
            at its address.
    """

    kind: ExecutorName | None = None
    workers: int = 1
    threads: int | None = None
    gpus: float = 0.0
    ray_address: str | None = None

    def __post_init__(self) -> None:
        workers = arguments.integer("workers", self.workers, least=1)
        kind = self.kind
        if kind is None:
            kind = "here" if workers == 1 else "process"
        checked = {
            "workers": workers,
            "kind": arguments.one_of("executor", kind, ExecutorName),
            "threads": arguments.integer(
                "threads", self.threads, least=1, optional=True
            ),
            "gpus": arguments.real("gpus", self.gpus, least=0.0),
            "ray_address": arguments.text(
                "ray_address", self.ray_address, optional=True
            ),
        }
        if kind == "here" and workers > 1:
            raise arguments.refuse(
                "workers", workers, "1 with executor='here'", "Leave one out."
            )
        if kind != "ray" and self.ray_address is not None:
            raise arguments.refuse(
                "ray_address",
                self.ray_address,
                "left out without executor='ray'",
            )
        if kind == "ray":
            from keras_sharpness.studies.executors.ray_tasks import check_ray

            check_ray(checked["ray_address"])
        if kind != "here" and self.threads is None:
            checked["threads"] = max(1, _num_cores() // workers)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def set_threads_here(self) -> None:
        """Sets this process to the threads asked for, where it is to work.

        Raises:
            ValueError: If it has computed with another number.
        """
        if self.kind == "here" and self.threads is not None:
            from keras_sharpness.training.backend.devices import (
                set_num_threads,
            )

            set_num_threads(self.threads)


def run_members(
    work: Work,
    names: Sequence[str],
    executor: Executor,
    *,
    progress: bool = True,
) -> dict[str, str]:
    """Runs members of a study by the executor chosen.

    Args:
        work: The `Work`.
        names: Sequence of str, members in an order that puts starts first.
        executor: `Executor`.
        progress: Bool. Whether to show progress on standard error.

    Returns:
        Dict from the names of those that failed to the reason.
    """
    if executor.kind == "here":
        steps = len(names) * (1 + len(work.plan.names()))
        with StudyProgress(steps, show=progress) as bars:
            return run_here(work, names, bars)
    with MemberProgress(len(names), show=progress) as bars:
        shared = {"workers": executor.workers, "threads": executor.threads}
        if executor.kind == "process":
            from keras_sharpness.studies.executors.processes import (
                run_in_processes,
            )

            return run_in_processes(work, names, bars, **shared)
        from keras_sharpness.studies.executors.ray_tasks import run_on_ray

        return run_on_ray(
            work,
            names,
            bars,
            **shared,
            gpus=executor.gpus,
            address=executor.ray_address,
        )


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
