"""How fast `keras_sharpness.training.train` trains F1, beside `model.fit`.

    python benchmarks/training_throughput.py

Network F1 of Keskar et al. (2017), 1.5 million weights, Adam, batch size 256,
on the images of mnist_5k repeated to 20480 samples. The contenders take turns,
so that a busy machine slows all of them alike. In each turn a warm-up epoch
goes by, which includes the compilation, and then two epochs are timed, from
one `on_epoch_end` to the next. `fit` runs at its defaults, its progress bar
off. Writes benchmarks/results/training_throughput.json.
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

import keras
import numpy as np
import rich.console
import rich.table
import tensorflow as tf

import keras_sharpness
from keras_sharpness.results import write_atomically
from keras_sharpness.training import train

_RESULT = pathlib.Path(__file__).parent / "results/training_throughput.json"
_TIMED_EPOCHS = 2
_CONTENDERS = {
    "model.fit": None,
    "train(jit_compile=False)": False,
    "train()": "auto",
}


class Clock(keras.callbacks.Callback):
    """Reads the clock at the end of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.times = [time.perf_counter()]

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        del epoch, logs
        self.times.append(time.perf_counter())


def load_data(num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    data = keras_sharpness.data.load("mnist_5k")
    repeats = -(-num_samples // len(data.x_train))
    x = np.concatenate([data.x_train] * repeats)[:num_samples]
    return x, np.concatenate([data.y_train] * repeats)[:num_samples]


def time_epochs(
    network: str, x: np.ndarray, y: np.ndarray, batch_size: int, contender: str
) -> np.ndarray:
    """Seconds of the warm-up epoch and of the timed ones."""
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
    return np.diff(clock.times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="F1")
    parser.add_argument("--num-samples", type=int, default=20480)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, default=_RESULT)
    arguments = parser.parse_args()

    load_before = os.getloadavg()[0]
    x, y = load_data(arguments.num_samples)
    warm_ups = {name: [] for name in _CONTENDERS}
    epochs = {name: [] for name in _CONTENDERS}
    for _ in range(arguments.repeats):
        for name in _CONTENDERS:
            first, *timed = time_epochs(
                arguments.network, x, y, arguments.batch_size, name
            )
            warm_ups[name].append(first)
            epochs[name].extend(timed)

    fit = statistics.median(epochs["model.fit"])
    rows = {
        name: {
            "seconds_per_epoch": statistics.median(seconds),
            "seconds_of_fastest_epoch": min(seconds),
            "samples_per_second": len(x) / statistics.median(seconds),
            "seconds_of_first_epoch": statistics.median(warm_ups[name]),
            "speedup_over_fit": fit / statistics.median(seconds),
            "speedup_of_fastest_epochs": min(epochs["model.fit"])
            / min(seconds),
            "epochs": seconds,
        }
        for name, seconds in epochs.items()
    }
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
        "processor": platform.processor() or platform.machine(),
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
        "", "s per epoch", "samples/s", "first epoch, s", "times fit"
    )
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['seconds_per_epoch']:.3f}",
            f"{row['samples_per_second']:.0f}",
            f"{row['seconds_of_first_epoch']:.2f}",
            f"{row['speedup_over_fit']:.2f}",
        )
    rich.console.Console(width=90).print(table)


if __name__ == "__main__":
    main()
