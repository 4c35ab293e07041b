"""A loss surface of 25 x 25 points against 625 plain compiled evaluations.

    python benchmarks/surface.py

The reference is the model's own compiled forward pass and loss at its own
weights, batch by batch over tensors that are on the device already. The
surface also moves the weights and measures the accuracy. Ratios of runs that
take turns are taken one by one, as this takes minutes on a noisy machine.
"""

import time

import _timing
import keras
import numpy as np
import tensorflow as tf

import keras_sharpness as ks
from keras_sharpness.landscape import loss_surface, random_plane

NUM_SAMPLES, NUM_POINTS, REPEATS = 1000, 25, 7
DEMO = _timing.ROOT / "explorer" / "demo" / "seed-0-batch-16" / "model.keras"


def main():
    """Times F1, and the small network of the explorer's demo pair."""
    demo = ks.saving.load_model(DEMO)
    demo.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    networks = {"F1": ks.models.F1(seed=0), "demo pair's": demo}
    _timing.write(
        "surface", [row(name, model) for name, model in networks.items()]
    )


def row(name, model):
    """Surface and plain evaluations of a network on real digits."""
    data = ks.data.load("mnist_5k")
    x, y = data.x_train[:NUM_SAMPLES], data.y_train[:NUM_SAMPLES]
    objective = ks.Objective(model, x, y)
    plane = random_plane(objective)
    size = objective.batch_size
    batches = [
        (tf.constant(x[i : i + size]), tf.constant(y[i : i + size]))
        for i in range(0, NUM_SAMPLES, size)
    ]
    loss = model.loss

    @tf.function
    def forward(x, y):
        return loss(y, model(x, training=False))

    def plain():
        for _ in range(NUM_POINTS**2):
            float(sum(forward(*batch) for batch in batches))

    def surface():
        loss_surface(objective, plane, num_points=NUM_POINTS, progress=False)

    def seconds(function):
        begun = time.perf_counter()
        function()
        return time.perf_counter() - begun

    # Compiles both.
    float(forward(*batches[0]))
    loss_surface(objective, plane, num_points=3, progress=False)
    times = np.array(
        [[seconds(plain), seconds(surface)] for _ in range(REPEATS)]
    )
    return {
        "network": name,
        "samples": NUM_SAMPLES,
        "points": NUM_POINTS**2,
        "plain evaluations (s)": float(np.median(times[:, 0])),
        "surface (s)": float(np.median(times[:, 1])),
        "surface / plain": float(np.median(times[:, 1] / times[:, 0])),
    }


if __name__ == "__main__":
    main()
