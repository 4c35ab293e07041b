"""This version and another one: time and memory of gradients and products.

    git worktree add ../other COMMIT
    python benchmarks/two_versions.py ../other [network ...]

On the networks of the comparison with the peers. A process for each version;
they take turns, so that a machine that is slow for a while is slow for both.
Memory is the median over several processes of their own, which hand freed
memory back.
"""

import argparse
import contextlib
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "peers"))

import _timing  # noqa: E402
import settings  # noqa: E402
from worker_process import Worker  # noqa: E402

ROWS = {"gradient": 15, "product": 15, "block": 7, "gauss_newton": 9}
PROCESSES = 3
# Of which the memory is looked at, too.
MEMORY = ("product", "block")


def main():
    """Measures both, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=pathlib.Path, help="another checkout")
    parser.add_argument("networks", nargs="*", default=list(settings.CASES))
    options = parser.parse_args()
    checkouts = {"before": options.other.resolve(), "after": HERE.parent}
    commits = {name: commit(path) for name, path in checkouts.items()}
    rows = []
    for network in options.networks:
        rows += measure(network, checkouts)
    _timing.write("two_versions", rows, arguments="OTHER")
    lines = [
        "# Two versions of the engine",
        "",
        f"Before: {commits['before']}; after: {commits['after']}. "
        f"`python benchmarks/two_versions.py OTHER`, {_timing.processor()}.",
        "",
        "| network | row | before (s) | after (s) | ratio | "
        "processor's seconds | before (MiB) | after (MiB) | ratio |",
        "| --- | --- |" + " ---: |" * 7,
        *map(line_of, rows),
        "",
    ]
    (_timing.RESULTS / "two_versions.md").write_text("\n".join(lines))


def line_of(row):
    """A line of the table."""
    memory = "– | – | –"
    if row["row"] in MEMORY:
        before, after = (
            row[f"{name}: peak bytes"] / 2**20 for name in ("before", "after")
        )
        memory = f"{before:.0f} | {after:.0f} | {after / before:.2f}"
    times = [row[f"{name}: seconds"] for name in ("before", "after")]
    return (
        f"| {settings.CASES[row['network']].title} | {row['row']} | "
        f"{times[0]:.3g} | {times[1]:.3g} | {times[1] / times[0]:.2f} | "
        f"{row['processor ratio']:.2f} | {memory} |"
    )


def measure(network, checkouts):
    """The rows of one network."""
    case = settings.CASES[network]
    load = {"num_samples": case.samples, "batch_size": case.batch_size}
    with tempfile.TemporaryDirectory() as folder:

        @contextlib.contextmanager
        def started(name, **environment):
            with Worker(
                "version_worker.py",
                *("--network", network, "--folder", folder, "--threads", "2"),
                python=sys.executable,
                log=pathlib.Path(folder) / f"{name}.log",
                environment={
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    "PYTHONPATH": str(checkouts[name]),
                    **environment,
                },
            ) as worker:
                yield worker

        with started("after") as worker:
            worker.ask("make")
        found = {row: {"network": network, "row": row} for row in ROWS}
        with contextlib.ExitStack() as stack:
            workers = {n: stack.enter_context(started(n)) for n in checkouts}
            for worker in workers.values():
                worker.ask("load", **load)
            for row, repeats in ROWS.items():
                times = {name: [] for name in workers}
                for worker in workers.values():
                    turn(worker, "start", row)
                for _ in range(repeats):
                    for name, worker in workers.items():
                        times[name].append(turn(worker, "call", row))
                fastest = {}
                for name, answers in times.items():
                    seconds = [answer["seconds"] for answer in answers]
                    found[row][f"{name}: seconds"] = float(np.median(seconds))
                    fastest[name] = np.median(
                        [answer["processor"] for answer in answers]
                    )
                found[row]["processor ratio"] = float(
                    fastest["after"] / fastest["before"]
                )
        for name in checkouts:
            peaks = {row: [] for row in MEMORY}
            for row in [r for r in MEMORY for _ in range(PROCESSES)]:
                with started(name, TF_ONEDNN_USE_SYSTEM_ALLOCATOR="1") as one:
                    one.ask("load", **load)
                    peaks[row].append(turn(one, "start", row)["peak_bytes"])
            for row, values in peaks.items():
                found[row][f"{name}: peak bytes"] = int(np.median(values))
    for row in found.values():
        print(line_of(row), flush=True)
    return list(found.values())


def turn(worker, order, row):
    """One call."""
    return worker.ask(order, library=settings.OURS, row=row)


def commit(path):
    """The commit of a checkout."""
    done = subprocess.run(
        ["git", "-C", str(path), "log", "-1", "--format=%h"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
