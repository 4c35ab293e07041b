"""This package against the PyTorch libraries for curvature.

    python benchmarks/peers/run.py

Both frameworks run in one go, as two worker processes that take turns: while
one works the other waits. Networks, weights and data are the same, and before
anything is timed the loss, the gradient and the products are compared. Writes
benchmarks/results/peers.json, .md, .svg and .png; fails where values disagree.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import sys
import time

# What the benchmarks above share.
sys.path.append(str(pathlib.Path(__file__).parents[1]))

import _timing
import agreement
import chart
import measure
import settings
import table
from update import command, updated

RESULTS = pathlib.Path(__file__).parents[1] / "results"


def main():
    """Measures, writes, and says whether all values agree."""
    options = _options()
    start, others = time.perf_counter(), _seconds_of_others()
    record = {
        "command": command(options.networks, options.rows),
        "python": platform.python_version(),
        "machine": _timing.processor(),
        "threads": options.threads,
        "versions": {},
        "num_weights": {},
        "gigaflops": {},
        "agreement": [],
        "rows": [],
    }
    out = options.out
    before = None
    if options.update:
        before = json.loads(out.with_suffix(".json").read_text())
        if before["machine"] != record["machine"]:
            sys.exit(
                f"{out}.json was measured on {before['machine']!r}, this is "
                f"{record['machine']!r}: their times do not belong into one "
                "table. Pass another `--out`."
            )
    for name in options.networks:
        print(settings.CASES[name].title, flush=True)
        part = measure.network(
            name,
            options.rows,
            pythons={
                "keras": options.keras_python,
                "torch": options.torch_python,
            },
            threads=options.threads,
        )
        record["versions"].update(part["versions"])
        record["num_weights"][name] = part["num_weights"]
        record["gigaflops"][name] = part["gigaflops"]
        record["agreement"] += part["agreement"]
        record["rows"] += part["rows"]
    seconds = time.perf_counter() - start
    record["minutes"] = seconds / 60
    record["others"] = (_seconds_of_others() - others) / (
        seconds * os.cpu_count()
    )
    if before is not None:
        record = updated(before, record)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    out.with_suffix(".md").write_text(table.markdown(record))
    chart.write(record, out)
    print(f"written to {out}.json, .md, .svg and .png")
    return _failures(record)


def _failures(record):
    """A message that ends the process with 1, or None."""
    wrong = agreement.failures(record["agreement"])
    wrong += [
        f"{row['network']}, {row['row']}: {row['error']}"
        for row in record["rows"]
        if row["library"] == settings.OURS and "error" in row
    ]
    return "\n".join(wrong) or None


def _options():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=list(settings.CASES),
        default=list(settings.CASES),
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        choices=list(settings.ROWS),
        default=list(settings.ROWS),
    )
    for framework in ("keras", "torch"):
        parser.add_argument(
            f"--{framework}-python",
            default=sys.executable,
            help=f"interpreter of the environment with {framework}",
        )
    parser.add_argument(
        "--update",
        action="store_true",
        help="keep what the results hold of other networks and rows",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=RESULTS / "peers",
        help="path of the results, without a suffix",
    )
    return parser.parse_args()


def _seconds_of_others():
    """Processor seconds of all other processes since the machine started."""
    user, nice, system, _, _, interrupts, soft, *_ = map(
        int, pathlib.Path("/proc/stat").read_text().split()[1:11]
    )
    busy = user + nice + system + interrupts + soft
    own = sum(
        usage.ru_utime + usage.ru_stime
        for usage in (
            resource.getrusage(resource.RUSAGE_SELF),
            resource.getrusage(resource.RUSAGE_CHILDREN),
        )
    )
    return busy / os.sysconf("SC_CLK_TCK") - own


if __name__ == "__main__":
    sys.exit(main())
