"""What a Hessian product of a large batch costs in parts, against the whole.

    python benchmarks/batch_parts.py

Products take a large batch in parts, for less memory at once. What a part has
to do at least was chosen so that it costs little time; MobileNetV2 is given
also in the parts that it would be cut into without the limit by operations.
"""

import contextlib

import _timing
import keras
import numpy as np

import keras_sharpness as ks
from keras_sharpness.metrics import HessianOperator
from keras_sharpness.metrics.backend.tensorflow import batch_parts

CASES = (
    ("F1", 16000, ("whole", "parts")),
    ("C1", 400, ("whole", "parts")),
    ("MobileNetV2", 32, ("whole", "parts", "parts by bytes alone")),
)
LIMITS = {
    "whole": {"_LEAST_PER_CORE": 2**60},
    "parts": {},
    "parts by bytes alone": {"_LEAST_PER_OPERATION": 0},
}


def network(name):
    """A network with the weights it begins with."""
    if name != "MobileNetV2":
        return getattr(ks.models, name)(seed=0)
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(
        input_shape=(128, 128, 3), weights=None, classes=10
    )


@contextlib.contextmanager
def limits(values):
    """Within the block the parts of batches have these limits."""
    before = {name: getattr(batch_parts, name) for name in values}
    try:
        for name, value in values.items():
            setattr(batch_parts, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(batch_parts, name, value)


def main():
    """Times products of each network, all samples as one batch."""
    rows = []
    for name, num_samples, ways in CASES:
        model = network(name)
        x, y = _timing.images(model.input_shape[1:], min(num_samples, 4000))
        # There are 4,000 digits.
        x = np.resize(x, (num_samples, *x.shape[1:]))
        y = np.resize(y, num_samples)
        loss = None if model.loss else "sparse_categorical_crossentropy"
        operators, num_parts = {}, {}
        for way in ways:
            with limits(LIMITS[way]):
                objective = ks.Objective(
                    model,
                    x,
                    y,
                    loss=loss,
                    batch_size=num_samples,
                    check_repeatability=False,
                )
                vector = np.random.default_rng(0).standard_normal(
                    objective.size
                )
                operators[way] = HessianOperator(objective)
                operators[way] @ vector
            batch = next(iter(objective._batches))
            num_parts[way] = sum(
                1 for _ in objective._products._parts.of(batch)
            )
        seconds = _timing.medians(
            {
                way: lambda operator=operator, v=vector: operator @ v
                for way, operator in operators.items()
            },
            11,
        )
        rows += [
            {
                "network": name,
                "samples": num_samples,
                "way": way,
                "parts": num_parts[way],
                "product (s)": seconds[way],
                "product / whole": seconds[way] / seconds["whole"],
            }
            for way in ways
        ]
    _timing.write("batch_parts", rows)


if __name__ == "__main__":
    main()
