"""Peak memory of curvature on C2: 15 million weights, 10,000 images.

    python benchmarks/large_network.py eigenvalue --basis-dtype float64
    python benchmarks/large_network.py density --steps 10

The largest eigenvalue to a residual of 1e-2, from where a search on 500 of the
images ended, or a spectral density of one probe, of C2 as it is initialised,
on digits enlarged to 32 x 32 x 3 and shifted. Peaks are those of the whole
process, TensorFlow included. On two cores a product takes four minutes: a line
is printed after each. Each writes a file of its own.
"""

import argparse
import resource
import sys
import time

import _timing
import keras
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
    """Measures one of the two."""
    parser = argparse.ArgumentParser()
    parser.add_argument("measure", choices=("eigenvalue", "density"))
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--batch-size", type=int, default=125)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--policy", default="float32", help="Keras' dtype")
    parser.add_argument(
        "--pilot-samples",
        type=int,
        default=500,
        help="the search begins with the eigenvector found on so many",
    )
    parser.add_argument(
        "--basis-dtype", help="float64 or float32; by default the products'"
    )
    options = parser.parse_args()
    keras.config.set_dtype_policy(options.policy)
    x, y = digits(options.samples)
    model = ks.models.C2(seed=0)

    def objective_on(x, y):
        return ks.Objective(
            model,
            x,
            y,
            batch_size=options.batch_size,
            check_repeatability=False,
        )

    objective = objective_on(x, y)
    start = time.perf_counter()

    def say(done, total):
        minutes = (time.perf_counter() - start) / 60
        print(
            f"{done} of at most {total} products, {minutes:.1f} minutes, peak "
            f"{peak():.2f} GiB",
            flush=True,
        )

    if options.measure == "eigenvalue":
        every = max(1, options.samples // options.pilot_samples)
        pilot = ks.hessian_eigenvalues(
            objective_on(x[::every], y[::every]),
            tolerance=5e-2,
            eigenvectors=True,
        )
        print(
            f"pilot on {len(x[::every])} samples: {pilot.eigenvalues[0]:.6g}, "
            f"{pilot.num_products} products, {pilot.seconds:.0f} s",
            flush=True,
        )
        found = ks.hessian_eigenvalues(
            objective,
            tolerance=1e-2,
            initial_vectors=pilot.eigenvectors,
            basis_dtype=options.basis_dtype,
            progress=say,
        )
        values = {
            "pilot samples": len(x[::every]),
            "pilot products": pilot.num_products,
            "pilot eigenvalue": float(pilot.eigenvalues[0]),
            "eigenvalue": float(found.eigenvalues[0]),
            "residual": float(found.residuals[0]),
        }
    else:
        found = ks.spectral_density(
            objective,
            num_probes=1,
            num_steps=options.steps,
            basis_dtype=options.basis_dtype,
            progress=say,
        )
        values = {
            "steps": options.steps,
            "trace": found.trace,
            "largest node": float(found.nodes.max()),
            "negative share": found.negative_share,
        }
    row = {
        "network": "C2",
        "weights": objective.size,
        "samples": options.samples,
        "batch size": options.batch_size,
        "policy": options.policy,
        "basis dtype": found.basis_dtype,
        "products": found.num_products,
        "seconds": time.perf_counter() - start,
        "peak (GiB)": peak(),
        **values,
    }
    _timing.write(
        f"large_network_{options.measure}",
        [row],
        arguments=" ".join(sys.argv[1:]),
    )


if __name__ == "__main__":
    main()
