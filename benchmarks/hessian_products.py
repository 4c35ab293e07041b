"""What a Hessian product costs, in gradients: one vector, and per vector of 8.

    python benchmarks/hessian_products.py

Three gradients serve as the measure, over the same batches: that of the network
as it is written, `objective.gradient()` without folding batch normalisation
into convolutions; `objective.gradient()` as it is; and the compiled gradient of
the loss of `model(x, training=False)` as a user of Keras would write it, its
sum kept in float32. By arithmetic alone a product is 3 gradients of a deep
network of dense and convolutional layers, and 2 + 1/8 in a block of 8.
"""

import _timing
import numpy as np
import tensorflow as tf

import keras_sharpness as ks

GRADIENTS = (
    ("written", "gradient of the network as written"),
    ("ours", "objective.gradient()"),
    ("keras", "Keras' gradient"),
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
        written = ks.Objective(model, x, y, check_repeatability=False)
        written._batch_loss._pairs = []
        plain = keras_gradient(model, x, y, objective.batch_size)
        seconds = _timing.medians(
            {
                "keras": plain,
                "written": written.gradient,
                "ours": objective.gradient,
                "product": lambda f=objective, v=block: f.hessian_product(
                    v[:, 0]
                ),
                "block": lambda f=objective, v=block: f.hessian_product(v),
            },
            repeats,
        )
        each = seconds["block"] / 8
        rows.append(
            {
                "network": network.__name__,
                "samples": num_samples,
                "batch size": objective.batch_size,
                **{
                    f"{label} (s)": seconds[name]
                    for name, label in (*GRADIENTS, ("product", "product"))
                },
                "product in a block of 8 (s)": each,
                **{
                    f"product / {label}": seconds["product"] / seconds[name]
                    for name, label in GRADIENTS
                },
                **{
                    f"product in a block of 8 / {label}": each / seconds[name]
                    for name, label in GRADIENTS
                },
            }
        )
    _timing.write("hessian_products", rows)


if __name__ == "__main__":
    main()
