"""What a Hessian product costs, in gradients: one vector, and per vector of 8.

    python benchmarks/hessian_products.py

A product is that of `HessianOperator` at one point, as all measurements use it:
what products have in common is kept by the operator, and was computed before
the clock starts. `objective.hessian_product`, which keeps nothing, is given
too, from a run of its own. The unit is the compiled gradient of the loss of
`model(x, training=False)` as a user of Keras would write it, over the same
batches, its sum in float32. `objective.gradient()`, which folds batch
normalisation into convolutions and sums in float64, is given as a second one.
"""

import _timing
import numpy as np
import tensorflow as tf

import keras_sharpness as ks
from keras_sharpness.metrics import HessianOperator

GRADIENTS = (
    ("keras", "Keras' gradient"),
    ("ours", "objective.gradient()"),
)
PRODUCTS = (
    ("product", "product"),
    ("block", "product in a block of 8"),
    ("alone", "hessian_product"),
    ("alone_block", "hessian_product in a block of 8"),
)


def keras_gradient(model, x, y, batch_size):
    """The mean gradient over all batches, without this package."""
    batches = [
        (tf.constant(x[i : i + batch_size]), tf.constant(y[i : i + batch_size]))
        for i in range(0, len(x), batch_size)
    ]

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=False))
        return tape.gradient(loss, model.trainable_variables)

    def gradient():
        total = None
        for batch in batches:
            part = step(*batch)
            total = (
                part
                if total is None
                else [a + b for a, b in zip(total, part, strict=True)]
            )
        return [t.numpy() / len(batches) for t in total]

    return gradient


def main():
    """Times F1 and C1 on the shapes of their data sets."""
    rows = []
    for network, num_samples, repeats in (
        (ks.models.F1, 2000, 21),
        (ks.models.C1, 500, 11),
    ):
        model = network()
        x, y = _timing.images(model.input_shape[1:], num_samples)
        objective = ks.Objective(model, x, y, check_repeatability=False)
        block = np.random.default_rng(0).standard_normal((objective.size, 8))
        vector = np.ascontiguousarray(block[:, 0])
        operator = HessianOperator(objective)
        keras = keras_gradient(model, x, y, objective.batch_size)
        seconds = _timing.medians(
            {
                "keras": keras,
                "ours": objective.gradient,
                "product": lambda h=operator, v=vector: h @ v,
                "block": lambda h=operator, v=block: h @ v,
            },
            repeats,
        )
        # Apart, for their memory would be cleared at the others' cost.
        apart = _timing.medians(
            {
                "keras": keras,
                "ours": objective.gradient,
                "alone": lambda f=objective, v=vector: f.hessian_product(v),
                "alone_block": lambda f=objective, v=block: f.hessian_product(
                    v
                ),
            },
            repeats,
        )
        for name in ("alone", "alone_block"):
            seconds[name] = apart[name] * seconds["keras"] / apart["keras"]
        for name in ("block", "alone_block"):
            seconds[name] /= 8
        rows.append(
            {
                "network": network.__name__,
                "samples": num_samples,
                "batch size": objective.batch_size,
                **{
                    f"{label} (s)": seconds[name]
                    for name, label in (*GRADIENTS, *PRODUCTS)
                },
                **{
                    f"{label} / {unit}": seconds[name] / seconds[gradient]
                    for gradient, unit in GRADIENTS
                    for name, label in PRODUCTS
                },
            }
        )
    _timing.write("hessian_products", rows)


if __name__ == "__main__":
    main()
