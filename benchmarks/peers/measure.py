"""The rows of one network, from the answers of two workers."""

import contextlib
import functools
import pathlib
import tempfile
import time

import agreement
import numpy as np
import settings
from settings import IN_KERAS, MISSING, ROWS
from worker_process import Worker, WorkerError

# Threads of the other worker spin for a moment after their work.
PAUSE = 0.05
# No new round of calls after so long: many products vary less.
ROW_SECONDS = 45


def network(name, rows, *, pythons, threads):
    """Everything about one network.

    Args:
        name: Str, a key of `settings.CASES`.
        rows: List of keys of `settings.ROWS`.
        pythons: Dict with the interpreters `"keras"` and `"torch"`.
        threads: Int.

    Returns:
        Dict with `"rows"`, `"agreement"`, `"num_weights"`, `"versions"`,
        `"gigaflops"`.
    """
    case = settings.CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        start = functools.partial(
            _workers, name, pathlib.Path(folder), pythons, threads
        )
        with start() as (keras, torch):
            keras.ask("make")
            load = {
                "num_samples": case.samples,
                "batch_size": case.batch_size,
            }
            record = {
                **keras.ask("load", **load),
                **torch.ask("load", **load),
                "versions": keras.ask("versions") | torch.ask("versions"),
                "gigaflops": {
                    settings.KERAS: keras.ask("speed")["gigaflops"],
                    settings.PYTORCH: torch.ask("speed")["gigaflops"],
                },
                "rows": [],
            }
            keras.ask("values")
            torch.ask("values")
        record["agreement"] = agreement.of_values(name, folder)
        for row in rows:
            if row == "density":
                load["num_samples"] = case.density_samples
            with start() as (keras, torch):
                keras.ask("load", **load)
                torch.ask("load", **load)
                cells = _row(row, keras, torch)
            for cell in cells:
                if cell["library"] in IN_KERAS and "seconds" in cell:
                    cell.update(_memory(cell["library"], row, start, load))
            record["rows"] += [
                {"network": name, "row": row, **cell, **load} for cell in cells
            ]
            record["agreement"] += agreement.of_results(name, row, cells)
    return record


@contextlib.contextmanager
def _workers(network, folder, pythons, threads, *, show_memory=False):
    """The two workers, Keras' and PyTorch's, in that order.

    TensorFlow keeps the memory that it once had, which hides what a call
    needs, unless it is told to hand it back: that shows its memory, and costs
    some of its speed.
    """
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if show_memory:
        environment["TF_ONEDNN_USE_SYSTEM_ALLOCATOR"] = "1"
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                Worker(
                    f"{framework}_worker.py",
                    "--network",
                    network,
                    "--folder",
                    str(folder),
                    "--threads",
                    str(threads),
                    python=pythons[framework],
                    log=folder / f"{framework}.log",
                    environment=environment,
                )
            )
            for framework in ("keras", "torch")
        ]


def _row(row, keras, torch):
    """A cell for every library; all take turns.

    Where the row's cost is told in gradients, these take turns with it: a
    machine may be a fifth slower from one row to the next.
    """
    cells, turns = [], {}
    for library in settings.LIBRARIES:
        cell = {"library": library}
        cells.append(cell)
        if (library, row) in MISSING:
            cell["missing"] = MISSING[library, row]
            continue
        worker = keras if library in IN_KERAS else torch
        try:
            cell.update(_turn(worker, "start", library, row))
        except WorkerError as error:
            cell["error"] = str(error)
            _say(cell, row)
            continue
        turns[library] = [cell["seconds"]]
    gradients = {library: [] for library in IN_KERAS if ROWS[row].gradients}
    for library in gradients:
        _turn(keras, "start", library, "gradient")
    start = time.perf_counter()
    for _ in range(ROWS[row].repeats - 1):
        if time.perf_counter() - start > ROW_SECONDS:
            break
        for library, times in turns.items():
            worker = keras if library in IN_KERAS else torch
            times.append(_turn(worker, "call", library, row)["seconds"])
        for library, times in gradients.items():
            for _ in range(ROWS[row].gradients):
                answer = _turn(keras, "call", library, "gradient")
                times.append(answer["seconds"])
    for cell in cells:
        if cell["library"] in turns:
            times = np.array(turns[cell["library"]]) / ROWS[row].share
            cell.update(
                seconds=float(np.median(times)),
                fastest=times.min(),
                slowest=times.max(),
                repeats=len(times),
            )
            if cell["library"] == settings.OURS and gradients:
                cell["gradient_seconds"] = {
                    library: float(np.median(times))
                    for library, times in gradients.items()
                }
            _say(cell, row)
    return cells


def _memory(library, row, start, load):
    """How allocators cut memory up differs between processes."""
    answers = []
    for _ in range(ROWS[row].processes):
        with start(show_memory=True) as (keras, _):
            keras.ask("load", **load)
            answers.append(_turn(keras, "start", library, row))
    return {
        key: int(np.median([answer[key] for answer in answers]))
        for key in ("peak_bytes", "first_peak_bytes")
        if key in answers[0]
    }


def _turn(worker, order, library, row):
    time.sleep(PAUSE)
    return worker.ask(order, library=library, row=row)


def _say(cell, row):
    words = cell.get("error") or f"{cell['seconds']:.4g} s"
    print(f"  {row}, {cell['library']}: {words}", flush=True)
