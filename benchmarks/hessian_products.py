"""What a Hessian product costs, in gradients: one vector, and per vector of 8.

python benchmarks/hessian_products.py
"""

import _timing
import numpy as np

import keras_sharpness as ks


def main():
    """Times F1 and C1 on the shapes of their data sets."""
    rows = []
    for network, num_samples, repeats in (
        (ks.models.F1, 2000, 15),
        (ks.models.C1, 500, 9),
    ):
        model = network()
        shape = model.input_shape[1:]
        x, y = _timing.images(shape, num_samples)
        objective = ks.Objective(model, x, y, check_repeatability=False)
        generator = np.random.default_rng(0)
        block = generator.standard_normal((objective.size, 8))
        seconds = _timing.medians(
            {
                "value": objective.value,
                "gradient": objective.gradient,
                "product": lambda f=objective, v=block: f.hessian_product(
                    v[:, 0]
                ),
                "block of 8": lambda f=objective, v=block: f.hessian_product(v),
            },
            repeats,
        )
        rows.append(
            {
                "network": network.__name__,
                "samples": num_samples,
                "batch size": objective.batch_size,
                "gradient (s)": seconds["gradient"],
                "gradient / value": seconds["gradient"] / seconds["value"],
                "product / gradient": seconds["product"] / seconds["gradient"],
                "product in a block of 8 / gradient": seconds["block of 8"]
                / 8
                / seconds["gradient"],
            }
        )
    _timing.write("hessian_products", rows)


if __name__ == "__main__":
    main()
