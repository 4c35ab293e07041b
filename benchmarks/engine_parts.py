"""What each part of the TensorFlow engine is worth: time and memory without it.

    python benchmarks/engine_parts.py [network ...]

A process for each part, in which that part is switched off, and one with all of
them; all take turns, so that a machine that is slow for a while is slow for
all. Memory is that of a process of its own, which hands freed memory back. The
networks are those of the comparison with the peers. The table is written to
results/engine_parts.md.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import functools
import json
import pathlib
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))

import _timing  # noqa: E402
import engine_worker  # noqa: E402
import settings  # noqa: E402
from worker_process import Worker  # noqa: E402

ROWS = ("gradient", "product", "block")
# Where a network has nothing that a part is for, it is not switched off.
XLA = {"fusion by XLA", "matrix_products"}
IDLE = {
    "f1": {"max_pooling"},
    "c1": XLA,
    "resnet": {*XLA, "max_pooling", "folding of dense layers"},
    "transformer": {"max_pooling", "folding", "folding of dense layers"},
}
ROUNDS = {"gradient": 9, "product": 9, "block": 5}
WHOLE = "whole"
# The least of the processor's seconds: other work disturbs it little.
TIME = "processor_seconds"
RESULTS = _timing.RESULTS / "engine_parts.json"


def measure(network, parts, only):
    """The cells of one network: a dict for each row and part."""
    cells = {(row, part): {} for row in ROWS for part in parts}
    with tempfile.TemporaryDirectory() as folder:
        start = functools.partial(started, network, pathlib.Path(folder))
        with start(WHOLE, make=True):
            pass
        if only != "peaks":
            for key, cell in times(parts, start).items():
                cells[key].update(cell)
        if only != "times":
            for key, num_bytes in peaks(parts, start).items():
                cells[key]["peak_bytes"] = num_bytes
    return [
        {"network": network, "row": row, "without": part, **cell}
        for (row, part), cell in cells.items()
    ]


def times(parts, start):
    """The seconds by row and part; all parts take turns."""
    with contextlib.ExitStack() as stack:

        def prepared(part):
            worker = stack.enter_context(start(part))
            for row in ROWS:
                turn(worker, "start", row)
            return worker

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            workers = dict(zip(parts, pool.map(prepared, parts), strict=True))
        found = {}
        for row in ROWS:
            for _ in range(ROUNDS[row]):
                for part, worker in workers.items():
                    answer = turn(worker, "call", row)
                    found.setdefault((row, part), []).append(answer)
    return {
        key: {
            "seconds": float(np.median([a["seconds"] for a in answers])),
            "processor_seconds": min(a["processor"] for a in answers),
        }
        for key, answers in found.items()
    }


def peaks(parts, start):
    """The peak of memory by row and part, above what is held before it."""

    def of(part):
        with start(part, TF_ONEDNN_USE_SYSTEM_ALLOCATOR="1") as worker:
            return {
                (row, part): turn(worker, "start", row)["peak_bytes"]
                for row in ROWS
            }

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(collections.ChainMap(*pool.map(of, parts)))


@contextlib.contextmanager
def started(network, folder, part, make=False, **environment):
    """A worker without a part, which has the network and its data."""
    case = settings.CASES[network]
    with Worker(
        "engine_worker.py",
        *("--network", network, "--folder", str(folder)),
        *("--threads", "2", "--without", part),
        python=sys.executable,
        log=folder / f"{part.replace(' ', '_')}.log",
        environment={"TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    ) as worker:
        if make:
            worker.ask("make")
        worker.ask("load", num_samples=case.samples, batch_size=case.batch_size)
        yield worker


def turn(worker, order, row):
    """One call."""
    return worker.ask(order, library=settings.OURS, row=row)


def _key(row):
    return row["network"], row["row"], row["without"]


def table(rows):
    """Time and memory without each part, in those of the whole engine."""
    known = {(r["network"], r["row"], r["without"]): r for r in rows}
    networks = list(dict.fromkeys(r["network"] for r in rows))
    parts = [WHOLE, *engine_worker.PARTS]
    heads = [f"{network} {row}" for network in networks for row in ROWS]
    lines = [
        f"| without | {' | '.join(heads)} |",
        "| --- |" + " ---: |" * len(heads),
    ]
    for part in parts:
        cells = []
        for network in networks:
            for row in ROWS:
                here = known.get((network, row, part))
                whole = known[network, row, WHOLE]
                cells.append(
                    f"{here[TIME] / whole[TIME]:.2f} "
                    f"({here['peak_bytes'] / whole['peak_bytes']:.2f})"
                    if here
                    else "–"
                )
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    """Measures the networks that are asked for, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(settings.CASES))
    parser.add_argument("--only", choices=("times", "peaks"))
    options = parser.parse_args()
    networks = options.networks
    rows = {}
    if RESULTS.exists():
        for row in json.loads(RESULTS.read_text())["rows"]:
            rows[_key(row)] = row
    for network in networks:
        parts = [p for p in engine_worker.PARTS if p not in IDLE[network]]
        for row in measure(network, [WHOLE, *parts], options.only):
            rows[_key(row)] = {**rows.get(_key(row), {}), **row}
        _timing.write("engine_parts", list(rows.values()))
    rows = list(rows.values())
    order = list(settings.CASES)
    rows.sort(key=lambda row: order.index(row["network"]))
    _timing.write("engine_parts", rows)
    (_timing.RESULTS / "engine_parts.md").write_text(
        "# The engine without each of its parts\n\n"
        "Processor seconds, and in brackets peak memory, over those of the\n"
        "whole engine in the same run. `python benchmarks/engine_parts.py`, "
        f"{_timing.processor()}.\n\n{table(rows)}\n"
    )


if __name__ == "__main__":
    main()
