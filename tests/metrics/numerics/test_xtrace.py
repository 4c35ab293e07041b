"""XTrace against leaving probes out one after the other."""

import itertools

import numpy as np
import pytest

from keras_sharpness.metrics.numerics.probes import rademacher
from keras_sharpness.metrics.numerics.xtrace import XTrace
from tests.metrics import spectra

CUTS = np.array([0, 7, 19, 30])


def left_out(matrix, probes, rows, sample, without):
    """Sample `sample`, on the range of the probes but those `without`."""
    kept = np.delete(probes, without, axis=1)
    basis, _ = np.linalg.qr(matrix @ kept)
    off = np.eye(len(matrix)) - basis @ basis.T
    rest = off @ matrix @ off
    known = np.diag(matrix - rest)[rows]
    return np.sum(known) + probes[rows, sample] @ (rest @ probes)[rows, sample]


@pytest.mark.parametrize("count", [3, 8, 13])
@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_samples_and_interactions_are_those_of_the_definition(count, decay):
    index = np.arange(1, 31)
    matrix = spectra.symmetric(np.cos(index) * index**-decay)
    probes = rademacher(30, count=count, seed=3)
    xtrace = XTrace(lambda block: matrix @ block, CUTS)
    for start in range(0, count, 5):
        xtrace.extend(probes[:, start : start + 5])
    result = xtrace.leave_one_out()
    for segment, (start, stop) in enumerate(itertools.pairwise(CUTS)):
        rows = slice(start, stop)
        for i in range(count):
            one = left_out(matrix, probes, rows, i, [i])
            # A few roundings of 30-term sums, times the condition of the
            # images, below 1e3.
            assert abs(result.samples[segment, i] - one) < 1e-11
            for j in set(range(count)) - {i}:
                both = left_out(matrix, probes, rows, i, [i, j])
                change = result.interactions[segment, i, j]
                assert abs(change - (one - both)) < 1e-11
    assert not np.any(np.diagonal(result.interactions, axis1=1, axis2=2))


def test_a_probe_that_the_others_replace_is_left_out_of_nothing():
    matrix = spectra.symmetric(np.r_[3.0, -2.0, 1.0, np.zeros(27)])
    xtrace = XTrace(lambda block: matrix @ block, CUTS)
    xtrace.extend(rademacher(30, count=6))
    result = xtrace.leave_one_out()
    traces = np.add.reduceat(np.diag(matrix), CUTS[:-1])
    # Rounding: three others span the range, all is exact.
    np.testing.assert_allclose(
        result.samples, np.tile(traces[:, None], 6), atol=1e-13
    )
    np.testing.assert_array_equal(result.interactions, 0.0)


def test_the_interactions_are_part_of_the_error():
    # Without them the error of this flat spectrum would be √2 too small.
    matrix = spectra.symmetric(1.0 + np.cos(np.arange(60)) / 10)
    means, naive, added = [], [], []
    for seed in range(300):
        xtrace = XTrace(lambda block: matrix @ block, np.array([0, 60]))
        xtrace.extend(rademacher(60, count=8, seed=seed))
        result = xtrace.leave_one_out()
        samples, pairs = result.samples[0], result.interactions[0]
        means.append(np.mean(samples))
        naive.append(np.var(samples, ddof=1) / 8)
        added.append(np.sum(pairs * pairs.T) / (8 * 7))
    # The variance of 300 means is known to √(2 / 300) = 8 %; two of those.
    variance = np.var(means)
    assert np.mean(naive) < 0.7 * variance
    assert abs(np.mean(naive) + np.mean(added) - variance) < 0.2 * variance
