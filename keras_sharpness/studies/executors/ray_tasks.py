"""Members as tasks of Ray, on one machine or on many."""

import contextlib
import importlib.util
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from keras_sharpness.studies.executors.payload import (
    packed,
    run_packed,
    worker_environment,
)
from keras_sharpness.studies.executors.processes import next_ready
from keras_sharpness.studies.member_run import kept_reason
from keras_sharpness.studies.progress import MemberProgress
from keras_sharpness.studies.work import Work

_MOST_RETRIES = 3
_REACH_SECONDS = 10.0


def check_ray(address: str | None) -> None:
    """Refuses where Ray is not installed, or nobody listens at its address.

    Args:
        address: Str. Of a running Ray, or None.

    Raises:
        ValueError: If there is none.
    """
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            "`executor='ray'` needs Ray, which is not installed. Install it "
            "with `pip install 'keras-sharpness[ray]'`, or let processes of "
            "this machine do the work: `executor='process'`."
        )
    place = (address or "").rpartition("//")[2]
    host, is_given, port = place.rpartition(":")
    if not is_given:
        return  # Nothing to ask: "auto" finds one by files of this machine.
    try:
        # Ray itself would try for minutes, and end the process.
        socket.create_connection((host, int(port)), _REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> ValueError:
    reason = " ".join(str(error).split())[:200]
    return ValueError(
        f"No Ray can be reached at `ray_address={address!r}` ({reason}). Start "
        "one with `ray start --head`, check the address, or leave it out to "
        "start one on this machine."
    )


def run_on_ray(
    work: Work,
    names: Sequence[str],
    bars: MemberProgress,
    *,
    workers: int,
    threads: int,
    gpus: float = 0.0,
    address: str | None = None,
) -> dict[str, str]:
    """Runs members as tasks of Ray.

    A task has a process of its own, as many CPUs as threads, and so many GPUs.
    One whose process is lost goes on elsewhere from its checkpoint, so the
    study's folder must be the same on every machine.

    Args:
        work: The `Work`.
        names: Sequence of str, members in an order that puts starts first.
        bars: `MemberProgress`.
        workers: Int. Tasks at a time on this machine, where Ray is started
            for them; a cluster takes as many as it has room for.
        threads: Int. How many threads share the work of a member.
        gpus: Float. GPUs of each member.
        address: Str. Of a running Ray, e.g. `"auto"`; None starts one here.

    Returns:
        Dict from the names of those that failed to the reason.

    Raises:
        ValueError: If there is no Ray at the address.
    """
    import ray

    failures: dict[str, str] = {}
    with _connected(ray, address, workers * threads):
        task = ray.remote(
            num_cpus=threads,
            num_gpus=gpus,
            # A process of its own: what it took of a GPU goes with it.
            max_calls=1,
            max_retries=_MOST_RETRIES,
            runtime_env={"env_vars": _environment(threads, address)},
        )(run_packed)
        content = ray.put(packed(work))
        waiting, running = list(names), {}
        try:
            while waiting or running:
                bars.check_interrupts()
                unfinished = [*waiting, *running.values()]
                name = next_ready(work, waiting, unfinished)
                if name is not None:
                    waiting.remove(name)
                    bars.begin(name)
                    reference = task.remote(content, name, threads=threads)
                    running[reference] = name
                    continue
                done, _ = ray.wait(list(running), num_returns=1, timeout=0.2)
                for reference in done:
                    name = running.pop(reference)
                    reason = _reason_of(ray, work, reference, name)
                    bars.end(name, "" if reason is None else "failed")
                    if reason is not None:
                        failures[name] = reason
        finally:
            for reference in running:
                # As Ctrl-C does: the training writes its checkpoint.
                ray.cancel(reference, force=False)
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=20)
    return failures


@contextlib.contextmanager
def _connected(ray: Any, address: str | None, cpus: int) -> Iterator[None]:
    options = {"log_to_driver": False, "configure_logging": False}
    if address is None:
        options |= {"num_cpus": cpus, "include_dashboard": False}
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise _unreachable(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def _environment(threads: int, address: str | None) -> dict[str, str]:
    variables = worker_environment(threads)
    if address is not None:
        # Other machines have their modules in places of their own.
        del variables["PYTHONPATH"]
    return variables


def _reason_of(ray: Any, work: Work, reference: Any, name: str) -> str | None:
    try:
        ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        said = kept_reason(work.path(name))
        return said or f"{type(error.cause).__name__}: {error.cause}"
    except ray.exceptions.RayError as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return None
