"""What the methods of training cost, in plain epochs.

    python benchmarks/training_methods.py

On F1 (1.5 million weights, dense) and C1 (convolutions) of Keskar et al.
(2017), Adam, batches of 256 of mnist_5k; and on F1 batches of 2,000 in parts,
as for memory's sake. Every contender trains in a loop of
its own that goes on epoch by epoch, and they take turns, epoch after epoch,
so that a busy machine slows all of them; the first epoch of each, which
compiles, does not count. Wall-clock and processor seconds are medians over
the turns; the ratios are medians of the turns' ratios to the plain epoch of
the same turn. Writes benchmarks/results/training_methods.json.
"""

import argparse
import os
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import _timing
import keras
import numpy as np

import keras_sharpness as ks

_TRAINING = ks.training
_CONTENDERS = {
    "plain": {},
    "micro_batch_size=128": {"micro_batch_size": 128},
    "micro_batch_size=64": {"micro_batch_size": 64},
    "SharpnessAware()": {"method": _TRAINING.SharpnessAware()},
    "SharpnessAware(adaptive=True)": {
        "method": _TRAINING.SharpnessAware(rho=0.5, adaptive=True)
    },
    "SharpnessAware(micro_batch_size=64)": {
        "method": _TRAINING.SharpnessAware(micro_batch_size=64)
    },
    "Conservative()": {"method": _TRAINING.Conservative()},
    "Adversarial(epsilon=0.1)": {"method": _TRAINING.Adversarial(epsilon=0.1)},
    "Stability()": {"method": _TRAINING.Stability()},
}


_PARTS = {
    "plain": {},
    "micro_batch_size=500": {"micro_batch_size": 500},
    "micro_batch_size=250": {"micro_batch_size": 250},
}


class Turns(keras.callbacks.Callback):
    """Lets one epoch go by at a time, when it is this training's turn."""

    def __init__(self):
        super().__init__()
        self.go, self.done = threading.Semaphore(0), threading.Semaphore(0)

    def on_epoch_begin(self, epoch, logs=None):
        """Waits for the turn."""
        del epoch, logs
        self.go.acquire()

    def on_epoch_end(self, epoch, logs=None):
        """Ends the turn."""
        del epoch, logs
        self.done.release()

    def take(self):
        """Wall-clock and processor seconds of an epoch."""
        began = time.perf_counter(), time.process_time()
        self.go.release()
        self.done.acquire()
        return time.perf_counter() - began[0], time.process_time() - began[1]


def measure(network, contenders, *, num_samples, turns, batch_size=256):
    """Rows of one network: name, seconds, and ratios to the plain epoch."""
    build = ks.models.get(network)
    x, y = _timing.images(build(seed=0).input_shape[1:], num_samples)
    trainings = {}
    for name, options in contenders.items():
        clock = Turns()
        thread = threading.Thread(
            target=ks.train,
            args=(build(seed=0), x, y),
            kwargs={
                "batch_size": batch_size,
                "epochs": 1 + turns,
                "optimizer": "adam",
                "callbacks": [clock],
                "progress": False,
                **options,
            },
        )
        thread.start()
        trainings[name] = (thread, clock)
        print(network, name, "compiles", clock.take(), flush=True)
    seconds = {name: [] for name in trainings}
    for _ in range(turns):
        for name, (_, clock) in trainings.items():
            seconds[name].append(clock.take())
    for thread, _ in trainings.values():
        thread.join()
    plain = np.array(seconds["plain"])
    rows = []
    for name, found in seconds.items():
        wall, processor = np.median(found, axis=0)
        ratio = np.median(np.array(found) / plain, axis=0)
        rows.append(
            {
                "network": network,
                "batch_size": batch_size,
                "turns": turns,
                "training": name,
                "seconds_per_epoch": float(wall),
                "processor_seconds_per_epoch": float(processor),
                "times_plain": float(ratio[0]),
                "processor_times_plain": float(ratio[1]),
            }
        )
    return rows


def main():
    """Measures both networks, and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    arguments = parser.parse_args()
    turns = arguments.turns
    rows = measure("F1", _CONTENDERS, num_samples=4000, turns=turns)
    rows += measure("C1", _CONTENDERS, num_samples=512, turns=turns)
    rows += measure(
        "F1", _PARTS, num_samples=4000, turns=turns, batch_size=2000
    )
    _timing.write("training_methods", rows)


if __name__ == "__main__":
    main()
