"""How fast `keras_sharpness.training.train` trains F1, beside `model.fit`.

    python benchmarks/training_throughput.py

Network F1 of Keskar et al. (2017), 1.5 million weights, Adam, batch size 256,
on the images of mnist_5k repeated to 20480 samples. The contenders take turns,
so that a busy machine slows all of them. In each turn a warm-up epoch goes by,
which includes the compilation, and then two epochs are timed, from one
`on_epoch_end` to the next. `fit` runs at its defaults, its progress bar off.
Writes benchmarks/results/training_throughput.json.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import _timing
import keras
import numpy as np
import rich.console
import rich.table
import tensorflow as tf

import keras_sharpness
from keras_sharpness.files import write_atomically
from keras_sharpness.training import train

_RESULT = pathlib.Path(__file__).parent / "results/training_throughput.json"
_TIMED_EPOCHS = 2
_CONTENDERS = {
    "model.fit": None,
    "train(jit_compile=False)": False,
    "train()": "auto",
}


class Clock(keras.callbacks.Callback):
    """Reads wall clock and processor time at the end of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.times = [now()]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Reads both clocks."""
        del epoch, logs
        self.times.append(now())


def now() -> tuple[float, float]:
    """Wall-clock time, and processor time of all threads, in seconds."""
    return time.perf_counter(), time.process_time()


def load_data(num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """The training digits that ship with the package, repeated."""
    data = keras_sharpness.data.load("mnist_5k")
    repeats = -(-num_samples // len(data.x_train))
    x = np.concatenate([data.x_train] * repeats)[:num_samples]
    return x, np.concatenate([data.y_train] * repeats)[:num_samples]


def time_epochs(
    network: str, x: np.ndarray, y: np.ndarray, batch_size: int, contender: str
) -> np.ndarray:
    """Wall-clock and processor seconds (1 + timed epochs, 2)."""
    model = keras_sharpness.models.get(network)(
        num_classes=10, input_shape=x.shape[1:], seed=0
    )
    clock = Clock()
    options = {
        "batch_size": batch_size,
        "epochs": 1 + _TIMED_EPOCHS,
        "callbacks": [clock],
    }
    if contender == "model.fit":
        model.fit(x, y, verbose=0, **options)
    else:
        jit_compile = _CONTENDERS[contender]
        train(model, x, y, jit_compile=jit_compile, **options)
    return np.diff(clock.times, axis=0)


def summarize(turns: list[np.ndarray], num_samples: int) -> dict:
    """Medians over all timed epochs."""
    warm_ups = [turn[0, 0] for turn in turns]
    epochs = np.concatenate([turn[1:] for turn in turns])  # (E, 2)
    seconds, processor_seconds = np.median(epochs, axis=0)
    return {
        "seconds_per_epoch": seconds,
        "processor_seconds_per_epoch": processor_seconds,
        "samples_per_second": num_samples / seconds,
        "seconds_of_first_epoch": statistics.median(warm_ups),
        "epochs": epochs[:, 0].tolist(),
    }


def main() -> None:
    """Times the contenders in turns, and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="F1")
    parser.add_argument("--num-samples", type=int, default=20480)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, default=_RESULT)
    arguments = parser.parse_args()

    load_before = os.getloadavg()[0]
    x, y = load_data(arguments.num_samples)
    turns = {name: [] for name in _CONTENDERS}
    for _ in range(arguments.repeats):
        for name in _CONTENDERS:
            turns[name].append(
                time_epochs(arguments.network, x, y, arguments.batch_size, name)
            )
    rows = {name: summarize(turns[name], len(x)) for name in _CONTENDERS}
    fit = rows["model.fit"]
    for row in rows.values():
        row["speedup_over_fit"] = (
            fit["seconds_per_epoch"] / row["seconds_per_epoch"]
        )
        row["speedup_of_fastest_epochs"] = min(fit["epochs"]) / min(
            row["epochs"]
        )
    report = {
        "network": arguments.network,
        "batch_size": arguments.batch_size,
        "num_samples": len(x),
        "optimizer": "adam",
        "results": rows,
        "command": " ".join(["python", *sys.argv]),
        "cores": os.cpu_count(),
        "load_average_before": load_before,
        "load_average_after": os.getloadavg()[0],
        "processor": _timing.processor(),
        "gpus": [d.name for d in tf.config.list_physical_devices("GPU")],
        "versions": {
            "keras_sharpness": keras_sharpness.__version__,
            "python": platform.python_version(),
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
        },
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        arguments.output, (json.dumps(report, indent=1) + "\n").encode()
    )
    table = rich.table.Table(
        "",
        "s per epoch",
        "CPU s",
        "samples/s",
        "first epoch, s",
        "times fit",
    )
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['seconds_per_epoch']:.3f}",
            f"{row['processor_seconds_per_epoch']:.2f}",
            f"{row['samples_per_second']:.0f}",
            f"{row['seconds_of_first_epoch']:.2f}",
            f"{row['speedup_over_fit']:.2f}",
        )
    rich.console.Console(width=100).print(table)


if __name__ == "__main__":
    main()
