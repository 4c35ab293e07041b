"""Interleaved timings, and where their results are written."""

import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = pathlib.Path(__file__).parent / "results"
ROOT = pathlib.Path(__file__).parents[1]


def medians(functions, repeats):
    """Median seconds of each function; all take turns on a noisy machine."""
    for function in functions.values():
        function()  # compiles
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def processor():
    """The name of the processor, with its family and model where known.

    Virtual machines name processors of several generations alike.
    """
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        first, _, _ = information.read_text().partition("\n\n")
        entries = dict(
            map(str.strip, line.split(":", 1))
            for line in first.splitlines()
            if ":" in line
        )
        if {"model name", "cpu family", "model"} <= entries.keys():
            return (
                f"{entries['model name']}, family {entries['cpu family']}, "
                f"model {entries['model']}"
            )
    return platform.processor() or platform.machine()


def write(name, rows, *, arguments=""):
    """Prints the rows and writes them with what they depend on.

    Args:
        name: Str. Of the file of results.
        rows: List of dicts.
        arguments: Str. What the script was called with.
    """
    versions = {
        package: importlib.metadata.version(package)
        for package in ("keras", "numpy", "scipy", "tensorflow")
    }
    script = pathlib.Path(sys.argv[0]).name
    RESULTS.mkdir(exist_ok=True)
    record = {
        "command": f"python benchmarks/{script} {arguments}".rstrip(),
        "python": platform.python_version(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "versions": versions,
        "rows": rows,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    for row in rows:
        shown = {
            key: f"{value:.4g}" if isinstance(value, float) else value
            for key, value in row.items()
        }
        print(shown, file=sys.stdout, flush=True)
    print(f"written to {path.relative_to(ROOT)}")


def images(shape, num_samples):
    """Real digits, enlarged and repeated over the channels to a shape."""
    import keras

    from keras_sharpness import data

    digits = data.load("mnist_5k").take(num_samples)
    x = keras.ops.image.resize(digits.x_train, shape[:2])
    x = np.repeat(np.asarray(x), shape[2], axis=-1)
    return x, digits.y_train
