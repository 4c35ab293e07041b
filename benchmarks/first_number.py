"""How long a first number takes, from a built model in a fresh process.

    python benchmarks/first_number.py
    python benchmarks/first_number.py --networks cnn Xception --repeats 1

What comes first is tracing and compiling. The reference is what one would
write by hand: nested tapes in a `tf.function`, and for the largest eigenvalue
the power iteration until `‖H v − λ v‖ ≤ 0.05 |λ|`, the residual that this
package is asked for too. Each measurement is a process of its own, which
imports and builds before the clock starts; both ways take turns. Processor
seconds are user time of all threads, which says more than the clock where
other things run. Medians.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import _timing
import numpy as np

# Data and pixels of each network; 8 images, but for the first two.
APPLICATIONS = {
    "Xception": 96,
    "InceptionV3": 96,
    "ConvNeXtTiny": 64,
    "ResNet50": 64,
    "DenseNet121": 64,
    "EfficientNetB0": 64,
    "VGG16": 64,
    "MobileNetV3Small": 96,
    "NASNetMobile": 64,
}
EIGENVALUES = ("cnn", "transformer", "MobileNetV2")
TOLERANCE = 0.05
WAYS = ("by hand", "package")
# Seconds; a process that hangs is killed.
PATIENCE = 300


def cnn():
    """Five layers and 128 digits."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    return model, *_timing.images((28, 28, 1), 128)


def transformer():
    """One block, and the rows of 128 digits as sequences."""
    import keras

    layers = keras.layers
    inputs = keras.Input((28, 28))
    x = layers.Dense(64)(inputs)
    attended = layers.MultiHeadAttention(4, 16)(x, x)
    x = layers.LayerNormalization()(x + attended)
    hidden = layers.Dense(128, activation="gelu")(x)
    x = layers.LayerNormalization()(x + layers.Dense(64)(hidden))
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    x, y = _timing.images((28, 28, 1), 128)
    return model, x[..., 0], y


def build(network):
    """Model, inputs and targets."""
    import keras

    keras.utils.set_random_seed(0)
    if network in ("cnn", "transformer"):
        return globals()[network]()
    shape, count = (64, 64, 3), 32
    if network in APPLICATIONS:
        shape, count = (APPLICATIONS[network],) * 2 + (3,), 8
    model = getattr(keras.applications, network)(
        input_shape=shape, weights=None, classes=10
    )
    return model, *_timing.images(shape, count)


def product_by_hand(model, x, y):
    """Function of a list of tensors, shaped as the variables."""
    import keras
    import tensorflow as tf

    variables = [variable.value for variable in model.trainable_variables]
    loss = keras.losses.SparseCategoricalCrossentropy()
    x, y = tf.constant(x), tf.constant(y)

    @tf.function
    def product(vectors):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                value = loss(y, model(x, training=False))
            gradient = inner.gradient(value, variables)
        return outer.gradient(gradient, variables, output_gradients=vectors)

    def multiply(vector):
        vectors, start = [], 0
        for variable in variables:
            size = int(np.prod(variable.shape))
            part = vector[start : start + size].reshape(variable.shape)
            vectors.append(tf.constant(part, variable.dtype))
            start += size
        parts = product(vectors)
        return np.concatenate([np.ravel(part) for part in parts])

    return multiply


def first_product(way, model, x, y):
    """What is made of the first product: its norm."""
    vector = np.random.default_rng(0).standard_normal(_size(model))
    if way == "by hand":
        return float(np.linalg.norm(product_by_hand(model, x, y)(vector))), 1
    import keras_sharpness as ks

    objective = ks.Objective(model, x, y, loss=_LOSS)
    return float(np.linalg.norm(objective.hessian_product(vector))), 1


def first_eigenvalue(way, model, x, y):
    """The eigenvalue and the number of products."""
    if way == "package":
        import keras_sharpness as ks

        objective = ks.Objective(model, x, y, loss=_LOSS)
        found = ks.hessian_eigenvalues(
            objective, tolerance=TOLERANCE, progress=False
        )
        return float(found.eigenvalues[0]), found.num_products
    multiply = product_by_hand(model, x, y)
    vector = np.random.default_rng(0).standard_normal(_size(model))
    count, value, rest, product = 0, 0.0, np.inf, vector
    while rest > TOLERANCE * abs(value):
        vector = product / np.linalg.norm(product)
        product = multiply(vector)
        value = float(vector @ product)
        rest = np.linalg.norm(product - value * vector)
        count += 1
    return value, count


_LOSS = "sparse_categorical_crossentropy"
TASKS = {"product": first_product, "eigenvalue": first_eigenvalue}


def _size(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def work(task, way, network):
    """One measurement, in a process of its own."""
    import keras_sharpness.metrics.eigenvalues  # noqa: F401

    model, x, y = build(network)
    x = np.asarray(x, "float32")
    start, before = time.perf_counter(), _user()
    value, products = TASKS[task](way, model, x, y)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "processor": _user() - before,
                "value": value,
                "products": products,
            }
        )
    )


def _user():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def measured(task, way, network):
    """What a process of its own finds."""
    found = subprocess.run(
        [sys.executable, __file__, "--work", task, way, network],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if found.returncode:
        raise RuntimeError(f"{network}, {way}: {found.stderr[-2000:]}")
    return json.loads(found.stdout.splitlines()[-1])


def compare(task, network, repeats):
    """One row: both ways, in turn."""
    runs = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            runs[way].append(measured(task, way, network))
    row = {"network": network, "first": task}
    middle = {
        (way, key): float(np.median([run[key] for run in runs[way]]))
        for way in WAYS
        for key in ("seconds", "processor")
    }
    for way in WAYS:
        row[f"{way} (s)"] = middle[way, "seconds"]
        row[f"{way}: processor (s)"] = middle[way, "processor"]
        row[f"{way}: products"] = runs[way][0]["products"]
        row[f"{way}: value"] = runs[way][0]["value"]
    for key, name in (("seconds", "time"), ("processor", "processor")):
        row[f"package / by hand: {name}"] = (
            middle["package", key] / middle["by hand", key]
        )
    return row


def main():
    """Measures all networks, or those that are asked for."""
    known = (*EIGENVALUES, *APPLICATIONS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=known)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*options.work)
        return
    wanted = options.networks or known
    rows = []
    for network in wanted:
        task = "eigenvalue" if network in EIGENVALUES else "product"
        row = compare(task, network, options.repeats)
        rows.append(row)
        ratio = row["package / by hand: time"]
        print(f"{network}: first {task} {ratio:.2f}", flush=True)
    if options.networks:
        print(json.dumps(rows, indent=1))
    else:
        _timing.write("first_number", rows)


if __name__ == "__main__":
    main()
