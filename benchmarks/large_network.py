"""Peak memory of curvature on C2: 15 million weights, 10,000 images.

    python benchmarks/large_network.py [--samples 10000] [--steps 15]

The largest eigenvalue to a residual of 1e-2 and a spectral density of one
probe, of C2 as it is initialised, on digits enlarged to 32 x 32 x 3 and
shifted. Peaks are those of the whole process, TensorFlow included. On two
cores a product takes minutes: what is finished is written at once.
"""

import argparse
import resource
import time

import _timing
import numpy as np

import keras_sharpness as ks

GIB = 2**30


def digits(num_samples):
    """Shifted copies of the 4,000 digits, as many as are wanted."""
    x, y = _timing.images((32, 32, 3), 4000)
    copies = -(-num_samples // len(x))
    x = np.concatenate([np.roll(x, 2 * c, axis=2) for c in range(copies)])
    return x[:num_samples], np.tile(y, copies)[:num_samples]


def peak():
    """The most memory the process has had so far, in GiB."""
    # Linux counts in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def main():
    """Measures one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--steps", type=int, default=15)
    options = parser.parse_args()
    model = ks.models.C2(seed=0)
    x, y = digits(options.samples)
    objective = ks.Objective(
        model, x, y, batch_size=options.batch_size, check_repeatability=False
    )
    common = {
        "network": "C2",
        "weights": objective.size,
        "samples": options.samples,
        "batch size": options.batch_size,
    }
    rows = []
    for name, measure in (
        (
            "largest eigenvalue",
            lambda: ks.hessian_eigenvalues(objective, tolerance=1e-2),
        ),
        (
            "spectral density",
            lambda: ks.spectral_density(
                objective, num_probes=1, num_steps=options.steps
            ),
        ),
    ):
        start = time.perf_counter()
        found = measure()
        rows.append(
            {
                **common,
                "measure": name,
                "products": found.num_products,
                "seconds": time.perf_counter() - start,
                "peak so far (GiB)": peak(),
                "value": float(
                    found.eigenvalues[0]
                    if name == "largest eigenvalue"
                    else found.grid[-1]
                ),
            }
        )
        _timing.write("large_network", rows)


if __name__ == "__main__":
    main()
