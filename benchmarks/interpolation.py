"""25 points of an interpolation against 25 plain compiled evaluations.

    python benchmarks/interpolation.py

The reference is the model's own compiled forward pass and loss at its own
weights, batch by batch over tensors that are on the device already.
"""

import _timing
import tensorflow as tf

import keras_sharpness as ks


def main():
    """Times F1 on the 4,000 training digits that ship with the package."""
    data = ks.data.load("mnist_5k")
    start, end = ks.models.F1(seed=0), ks.models.F1(seed=1)
    objective = ks.Objective(start, data.x_train, data.y_train)
    size = objective.batch_size
    batches = [
        (tf.constant(data.x_train[i : i + size]), data.y_train[i : i + size])
        for i in range(0, len(data.x_train), size)
    ]
    loss = start.loss

    @tf.function
    def forward(x, y):
        return loss(y, start(x, training=False))

    def plain():
        for _ in range(25):
            float(sum(forward(*batch) for batch in batches))

    seconds = _timing.medians(
        {
            "plain": plain,
            "interpolation": lambda: ks.interpolate(
                objective, start, end, progress=False
            ),
        },
        9,
    )
    ratio = seconds["interpolation"] / seconds["plain"]
    _timing.write(
        "interpolation",
        [
            {
                "network": "F1",
                "samples": len(data.x_train),
                "25 plain evaluations (s)": seconds["plain"],
                "25 points of an interpolation (s)": seconds["interpolation"],
                "interpolation / plain": ratio,
            }
        ],
    )


if __name__ == "__main__":
    main()
