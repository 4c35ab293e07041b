"""What measuring the top eigenvalue every epoch adds to an epoch.

    python benchmarks/callback_overhead.py

F1 on the 4,000 training digits of mnist_5k, Adam, batches of 32, and
`HessianEigenvalues(k=1)` on 1,024 of them at the end of every epoch. Both are
timed in every epoch of one training, before and after the callback's turn: the
medians over all epochs but the first, in which both compile. They take in the
search of the eleventh epoch, which starts from random vectors, and those that
needed more than one product with all the data. The error is that of the
eigenvalues against ones with a relative residual of 1e-3.
"""

import time

import _timing
import keras
import numpy as np

import keras_sharpness as ks
from keras_sharpness.callbacks import HessianEigenvalues

NUM_EPOCHS = 12
NUM_SAMPLES = 1024
LIMIT = 0.2


class Clock(keras.callbacks.Callback):
    """The time at which callbacks have their turn."""

    def __init__(self):
        super().__init__()
        self.begins, self.ends = [], []

    def on_epoch_begin(self, epoch, logs=None):
        """Notes when the callbacks' turn at the start of an epoch comes."""
        del epoch, logs
        self.begins.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        """Notes when the callbacks' turn at its end comes."""
        del epoch, logs
        self.ends.append(time.perf_counter())


class Reference(keras.callbacks.Callback):
    """The eigenvalue to three more digits."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.values = x, y, []

    def on_epoch_end(self, epoch, logs=None):
        """Measures the eigenvalue at the weights of the epoch."""
        del epoch, logs
        if not self.values:
            self.objective = ks.Objective(self.model, self.x, self.y)
        found = ks.hessian_eigenvalues(self.objective, progress=False)
        self.values.append(found.eigenvalues[0])


def main():
    """Trains once."""
    data = ks.data.load("mnist_5k")
    x, y = data.x_train[:NUM_SAMPLES], data.y_train[:NUM_SAMPLES]
    keras.utils.set_random_seed(0)
    model = ks.models.F1()
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    before, after = Clock(), Clock()
    top, reference = HessianEigenvalues(x, y), Reference(x, y)
    model.fit(
        data.x_train,
        data.y_train,
        batch_size=32,
        epochs=NUM_EPOCHS,
        callbacks=[before, top, after, reference],
        verbose=0,
    )
    training = np.subtract(before.ends, before.begins)[1:]
    measuring = np.subtract(after.ends, before.ends)[1:]
    values = np.array([result.eigenvalues[0] for result in top.results])
    overhead = float(np.median(measuring / training))
    row = {
        "network": "F1",
        "samples of an epoch": len(data.x_train),
        "samples measured": NUM_SAMPLES,
        "tolerance": top.results[1].tolerance,
        "products": [result.num_products for result in top.results],
        "products with the hardest samples": [
            result.num_pilot_products for result in top.results
        ],
        "hardest samples": max(
            result.num_pilot_samples for result in top.results
        ),
        "relative residuals": [
            float(result.residuals[0] / result.eigenvalues[0])
            for result in top.results
        ],
        "eigenvalues": values.tolist(),
        "relative errors": np.abs(values / reference.values - 1.0).tolist(),
        "largest relative error": float(
            np.max(np.abs(values / reference.values - 1.0))
        ),
        "epochs (s)": training.tolist(),
        "measurements (s)": measuring.tolist(),
        "epoch (s)": float(np.median(training)),
        "measurement (s)": float(np.median(measuring)),
        "overhead": overhead,
        "limit": LIMIT,
        "within the limit": overhead <= LIMIT,
    }
    _timing.write("callback_overhead", [row])


if __name__ == "__main__":
    main()
