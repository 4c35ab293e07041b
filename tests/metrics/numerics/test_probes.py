"""Probes: their entries, their independence, one stream for each."""

import numpy as np
import pytest

from keras_sharpness.metrics.numerics.probes import rademacher


@pytest.mark.parametrize("size", [1, 7, 64, 65, 1000])
def test_entries_are_signs(size):
    block = rademacher(size, count=3)
    assert block.shape == (size, 3)
    assert block.dtype == np.float64
    np.testing.assert_array_equal(np.abs(block), 1.0)


def test_a_probe_does_not_depend_on_its_block():
    whole = rademacher(100, count=20, seed=4)
    for start, stop in ((0, 1), (3, 11), (19, 20)):
        part = rademacher(100, count=stop - start, first=start, seed=4)
        np.testing.assert_array_equal(part, whole[:, start:stop])


def test_probes_and_seeds_differ():
    block = rademacher(200, count=50, seed=0)
    other = rademacher(200, count=50, seed=1)
    # Inner products of independent probes have deviation √200 = 14.1; the
    # largest of 2500 stays below 5 deviations but for one case in 700.
    overlaps = block.T @ other
    assert np.max(np.abs(overlaps)) < 71
    gram = block.T @ block
    np.testing.assert_array_equal(np.diag(gram), 200)
    assert np.max(np.abs(gram - np.diag(np.diag(gram)))) < 71


def test_entries_are_even_and_uncorrelated():
    block = rademacher(64, count=4000, seed=2)
    # Means over 4000 signs have deviation 1/√4000; the largest of 64 · 65 / 2
    # stays below 5 deviations but for one case in 800.
    limit = 5 / np.sqrt(4000)
    assert np.max(np.abs(np.mean(block, axis=1))) < limit
    covariance = block @ block.T / 4000
    assert np.max(np.abs(covariance - np.eye(64))) < limit


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="non-negative"):
        rademacher(5, count=1, seed=-1)


def test_the_numbers_of_a_seed_stay_as_they_are_today():
    # Written down once: results of old files must repeat in later versions.
    block = rademacher(6, count=2, seed=3)
    np.testing.assert_array_equal(
        block.T, [[1, 1, 1, 1, 1, -1], [-1, -1, -1, 1, -1, -1]]
    )
