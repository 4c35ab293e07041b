"""What a Hessian product costs, in gradients: one vector, and per vector of 8.

    python benchmarks/hessian_products.py

Two gradients serve as the measure. Keras': the compiled gradient of the loss
of `model(x, training=False)` over the same batches, as a user would write it.
Ours: `objective.gradient()`, which is faster where batch normalisation is
folded into the layer before it. By arithmetic alone a product is 3 gradients
of a deep network of dense and convolutional layers, and 2 + 1/8 in a block.
"""

import _timing
import numpy as np
import tensorflow as tf

import keras_sharpness as ks


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
        plain = keras_gradient(model, x, y, objective.batch_size)
        seconds = _timing.medians(
            {
                "keras": plain,
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
                "Keras' gradient (s)": seconds["keras"],
                "our gradient (s)": seconds["ours"],
                "product (s)": seconds["product"],
                "product in a block of 8 (s)": each,
                "product / Keras' gradient": seconds["product"]
                / seconds["keras"],
                "in a block of 8 / Keras' gradient": each / seconds["keras"],
                "product / our gradient": seconds["product"] / seconds["ours"],
                "in a block of 8 / our gradient": each / seconds["ours"],
            }
        )
    _timing.write("hessian_products", rows)


if __name__ == "__main__":
    main()
