"""The negative share against spectral measures that are known."""

import numpy as np
import pytest

from keras_sharpness.metrics.numerics.negative_curvature import (
    negative_curvature,
)
from keras_sharpness.metrics.numerics.tridiagonal import gauss_quadratures

SIZE = 300
RNG = np.random.default_rng(0)
SPECTRA = {
    "continuous": np.linspace(-1.0, 2.0, SIZE),
    "zeros": np.r_[np.zeros(200), np.linspace(-1.0, 5.0, 100)],
    # As of networks: dead weights, a peak around 0, few large ones.
    "dead weights": np.r_[
        np.zeros(120),
        1e-3 * RNG.standard_normal(160),
        np.geomspace(0.1, 8.0, 20),
    ],
    "many sizes": np.r_[
        np.geomspace(1e-6, 1, 200), -np.geomspace(1e-6, 1, 100)
    ],
    "outliers": np.r_[np.geomspace(1e-3, 0.3, 280), -np.linspace(2, 10, 20)],
}


def measured(spectrum, seed, *, probes=1, steps=40):
    """Shares by Lanczos on a diagonal matrix, and the true one of the probes.

    Starts are uniform on the sphere, as random signs are seen by eigenvectors
    in general position.
    """
    generator = np.random.default_rng(seed)
    starts = generator.standard_normal((probes, len(spectrum)))
    starts /= np.linalg.norm(starts, axis=1, keepdims=True)
    quadratures = gauss_quadratures(
        lambda block: spectrum[:, None] * block, starts, num_steps=steps
    )
    found = negative_curvature(quadratures)
    below = spectrum < -found["tolerance"]
    return found, float(np.mean(starts**2 @ below))


@pytest.mark.parametrize("steps", [40, 80])
@pytest.mark.parametrize("name", SPECTRA)
def test_what_is_unresolved_holds_the_share_of_the_probe(name, steps):
    """A bound of the theory of moments, for every probe."""
    for seed in range(4):
        found, true = measured(SPECTRA[name], seed, steps=steps)
        share, either = found["negative_share"], found["unresolved_share"]
        # Half of what is unresolved is the most that was added. The doubt is
        # not in one probe's standard error, which is NaN.
        assert share - either / 2 - 1e-9 <= true <= share + either + 1e-9


@pytest.mark.parametrize("name", SPECTRA)
def test_two_standard_errors_hold_the_share(name):
    spectrum = SPECTRA[name]
    held = []
    for seed in range(40):
        found, _ = measured(spectrum, seed, probes=6, steps=30)
        off = found["negative_share"] - np.mean(spectrum < -found["tolerance"])
        held.append(abs(off) <= 2 * found["negative_share_standard_error"])
    # 95 % of 40 or more, less three deviations of 1.4.
    assert np.sum(held) >= 33


@pytest.mark.parametrize("name", ["continuous", "zeros", "dead weights"])
def test_zeros_do_not_count_as_negative(name):
    spectrum = SPECTRA[name]
    found, _ = measured(spectrum, 0, probes=40, steps=80)
    # Of probes uniform on the sphere the variance of a share s is below
    # 2 s / n, of the mean of 40 that over 40: three deviations.
    share = np.mean(spectrum < 0)
    slack = 3 * np.sqrt(2 * share / SIZE / 40)
    # What is added of the unresolved is a node's weight at most, of 80.
    assert abs(found["negative_share"] - share) <= slack + 1 / 80


def test_converged_runs_count_exactly():
    spectrum = np.r_[-2.0, -1.0, 0.0, 0.0, 3.0]
    found, true = measured(spectrum, 0, steps=5)
    # Rounding of an eigenvalue problem of five.
    assert abs(found["negative_share"] - true) <= 1e-12
    assert found["unresolved_share"] <= 1e-12
