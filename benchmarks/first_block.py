"""How long the first block of Hessian products takes, against one graph.

    python benchmarks/first_block.py

Of a large network the first call takes longer than many products: TensorFlow
traces and optimises it. The reference is how one would write a block by hand,
a function that differentiates the gradient once for each vector; it shares the
gradient as this package does.
"""

import time

import _timing
import keras
import numpy as np
import tensorflow as tf

import keras_sharpness as ks

REPEATS = 3
VECTORS = 8


def convolutional():
    """MobileNetV2 and 32 small images."""
    model = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), weights=None, classes=10
    )
    return model, *_timing.images((32, 32, 3), 32)


def recurrent():
    """A bidirectional LSTM, and the rows of 200 digits as sequences."""
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Bidirectional(keras.layers.LSTM(32)),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    x, y = _timing.images((28, 28, 1), 200)
    return model, x[..., 0], y


def by_hand(model, x, y):
    """Function of a list of K lists of tensors, for one batch."""
    variables = [variable.value for variable in model.trainable_variables]
    loss = keras.losses.SparseCategoricalCrossentropy()

    @tf.function(autograph=False)
    def products(vectors):
        with tf.GradientTape(persistent=True) as outer:
            with tf.GradientTape() as inner:
                value = loss(y, model(x, training=False))
            gradient = inner.gradient(value, variables)
        return [
            outer.gradient(gradient, variables, output_gradients=vector)
            for vector in vectors
        ]

    return products


def measure(model, x, y, seed):
    """First and least later seconds of both ways, whose values must agree."""
    objective = ks.Objective(
        model,
        x,
        y,
        loss="sparse_categorical_crossentropy",
        batch_size=len(x),
        keep_activations=False,
        check_repeatability=False,
    )
    block = np.random.default_rng(seed).standard_normal(
        (objective.size, VECTORS)
    )
    vectors = [
        [
            tf.constant(part, "float32")
            for part in objective.layout.split(vector)
        ]
        for vector in block.T
    ]
    products = by_hand(model, x, y)
    ways = {
        "by hand": lambda: np.stack(
            [
                np.concatenate([np.ravel(part) for part in product])
                for product in products(vectors)
            ],
            axis=1,
        ),
        "package": lambda: objective.hessian_product(block),
    }
    seconds, results = {}, {}
    for way, call in ways.items():
        times = []
        for _ in range(4):
            start = time.perf_counter()
            results[way] = call()
            times.append(time.perf_counter() - start)
        seconds[way] = times[0], min(times[1:])
    # Rounding of float32 in sums of thousands.
    np.testing.assert_array_less(
        np.linalg.norm(results["by hand"] - results["package"], axis=0),
        1e-3 * np.linalg.norm(results["package"], axis=0),
    )
    return [seconds[way][when] for when in (0, 1) for way in ways]


def main():
    """Times first and later blocks, by hand and by the package."""
    rows = []
    for build in (convolutional, recurrent):
        keras.utils.set_random_seed(0)
        network = build()
        all_seconds = [measure(*network, seed) for seed in range(REPEATS)]
        first_by_hand, first, later_by_hand, later = np.median(
            all_seconds, axis=0
        ).tolist()
        rows.append(
            {
                "network": build.__name__,
                "vectors": VECTORS,
                "first by hand (s)": first_by_hand,
                "first (s)": first,
                "first / by hand": first / first_by_hand,
                "later by hand (s)": later_by_hand,
                "later (s)": later,
                "later / by hand": later / later_by_hand,
            }
        )
    _timing.write("first_block", rows)


if __name__ == "__main__":
    main()
