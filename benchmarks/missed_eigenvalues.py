"""How often a search returns another eigenvalue, and what it costs to know.

    python benchmarks/missed_eigenvalues.py

1,000 searches, from as many random starts, of diagonal matrices whose spectra
are like those of networks: `hessian_eigenvalues` as it is, and by the residuals
alone (`miss_probability=None`). Missed is a search that calls converged what
lies further below the truth than the tolerance. A matrix being diagonal makes
no difference: normal start vectors have no preferred directions.

`followed` are searches that start from the eigenvectors of a matrix some steps
ago, as the callbacks' do between those from random vectors. In 40 steps the
third of its eigenvalues overtakes the first two.
"""

import warnings

import _timing
import numpy as np
from scipy.sparse.linalg import LinearOperator

import keras_sharpness as ks

SEARCHES = 1000


class Diagonal(LinearOperator):
    """A diagonal matrix."""

    def __init__(self, entries):
        super().__init__(np.float64, (len(entries), len(entries)))
        self.entries = np.asarray(entries)

    def _matmat(self, block):
        return self.entries[:, None] * block


def spectra():
    """Names and eigenvalues."""
    generator = np.random.default_rng(0)
    samples = generator.standard_normal((500, 1000)) / np.sqrt(1000)
    bulk = np.linalg.svd(samples, compute_uv=False) ** 2
    outliers = np.r_[3.89, 3.29, 2.83, 2.5, 2.2, 1.9, 1.6, 1.3, 1.1]
    yield (
        "one transformer block",
        np.r_[outliers, np.linspace(-0.7, 1, 1000) ** 3],
    )
    yield "far outliers", np.r_[4, 3.3, 2.8, 2.5, np.linspace(-0.2, 0.5, 1000)]
    yield "6 % apart", np.r_[1.06, 1, np.linspace(0, 0.5, 1000)]
    yield "1 % apart", np.r_[1, 0.99, np.linspace(0, 0.5, 1000)]
    yield "1/√n", np.arange(1, 1001.0) ** -0.5
    yield (
        "Marchenko-Pastur, outliers",
        np.r_[bulk, bulk[0] * np.r_[1.5, 1.3, 1.05]],
    )
    yield "Marchenko-Pastur", bulk


def searches(eigenvalues, **options):
    """Shares and means over all seeds."""
    truth = np.max(eigenvalues)
    missed, converged, products = 0, 0, []
    for seed in range(SEARCHES):
        found = ks.hessian_eigenvalues(
            Diagonal(eigenvalues), seed=seed, progress=False, **options
        )
        low = found.eigenvalues[0] < truth / (1 + options["tolerance"])
        missed += bool(low and found.converged[0])
        converged += bool(found.converged[0])
        products.append(found.num_products)
    return {
        "missed": missed / SEARCHES,
        "converged": converged / SEARCHES,
        "products": float(np.mean(products)),
    }


def followed():
    """Steps at which the followed eigenvalue was more than 5 % too low."""
    missed, late, products = 0, [], []
    steps, runs = 40, 20
    for seed in range(runs):
        vectors, low = None, 0
        for step in range(steps):
            share = step / (steps - 1)
            eigenvalues = np.r_[
                4 - 1.5 * share,
                3.3,
                1 + 3 * share,
                np.linspace(-0.2, 0.5, 1000),
            ]
            found = ks.hessian_eigenvalues(
                Diagonal(eigenvalues),
                k=2,
                tolerance=0.05,
                eigenvectors=True,
                initial_vectors=vectors,
                miss_probability=1e-3 if step == 0 else None,
                seed=1000 * seed + step,
                progress=False,
            )
            vectors = found.eigenvectors
            low += bool(found.eigenvalues[0] < np.max(eigenvalues) / 1.05)
            products.append(found.num_products)
        missed += low
        late.append(low)
    return {
        "spectrum": "one overtakes the others",
        "check": "followed",
        "missed": missed / steps / runs,
        "steps until it is seen": float(np.max(late)),
        "products": float(np.mean(products)),
    }


def main():
    """Measures all spectra."""
    warnings.simplefilter("ignore", UserWarning)
    rows = []
    for name, eigenvalues in spectra():
        for tolerance in (0.05, 1e-3):
            for check, chance in (("1e-3", 1e-3), ("none", None)):
                row = searches(
                    eigenvalues, tolerance=tolerance, miss_probability=chance
                )
                options = {"tolerance": tolerance, "check": check}
                rows.append({"spectrum": name, **options, **row})
                print(rows[-1])
    rows.append(followed())
    print(rows[-1])
    _timing.write("missed_eigenvalues", rows)


if __name__ == "__main__":
    main()
