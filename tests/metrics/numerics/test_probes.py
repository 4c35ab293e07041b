"""Random probes, and the sketch against dense projections."""

import numpy as np
import pytest

from keras_sharpness.metrics.numerics.probes import (
    DeflatedProbes,
    Sketch,
    rademacher,
)
from tests.metrics import spectra


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


def sketched(matrix, counts, seed=0):
    """(sketch, images, coordinates) from blocks of so many probes."""
    sketch = Sketch(lambda block: matrix @ block, len(matrix))
    images, coordinates, first = [], [], 0
    for count in counts:
        probes = rademacher(len(matrix), count=count, first=first, seed=seed)
        images.append(matrix @ probes)
        coordinates.append(sketch.extend(images[-1]))
        first += count
    return sketch, images, coordinates


@pytest.mark.parametrize(
    "spectrum",
    [1.0 / np.arange(1, 61) ** 2, 0.5 ** np.arange(60), np.cos(np.arange(60))],
    ids=["decaying", "steep", "both signs"],
)
def test_the_basis_is_orthonormal_and_holds_the_images(spectrum):
    matrix = spectra.symmetric(spectrum)
    sketch, images, coordinates = sketched(matrix, (8, 8, 3))
    basis, products = sketch.rows(slice(0, 60))
    # A few roundings of 60-term sums.
    np.testing.assert_allclose(
        basis @ basis.T, np.eye(sketch.rank), rtol=0, atol=1e-13
    )
    np.testing.assert_allclose(products, basis @ matrix, rtol=0, atol=1e-13)
    for image, coordinate in zip(images, coordinates, strict=True):
        # Directions below 1e-12 of the largest image are dropped.
        np.testing.assert_allclose(
            basis[: len(coordinate)].T @ coordinate,
            image,
            rtol=0,
            atol=1e-11 * np.max(np.abs(image)),
        )


def test_parts_of_the_matrix():
    matrix = spectra.symmetric(np.cos(np.arange(60)))
    sketch, _, _ = sketched(matrix, (8, 5))
    basis, _ = sketch.rows(slice(0, 60))
    off = np.eye(60) - basis.T @ basis
    rest = off @ matrix @ off
    # Rounding of 60-term sums.
    np.testing.assert_allclose(
        sketch.diagonal(), np.diag(matrix - rest), rtol=0, atol=1e-13
    )
    block = rademacher(60, count=4, seed=9)
    np.testing.assert_allclose(
        sketch.residual(block), rest @ block, rtol=0, atol=1e-12
    )


def test_no_product_is_spent_on_a_direction_that_is_known():
    matrix = spectra.symmetric(np.r_[2.0, -1.0, np.zeros(28)])
    widths = []

    def multiply(block):
        widths.append(block.shape[1])
        return matrix @ block

    sketch = Sketch(multiply, 30)
    for first in (0, 8):
        sketch.extend(matrix @ rademacher(30, count=8, first=first))
    assert sketch.rank == 2
    assert widths == [2]


def test_a_basis_of_everything_and_of_nothing():
    matrix = spectra.symmetric(np.arange(1.0, 6.0))
    sketch, _, _ = sketched(matrix, (8, 8))
    assert sketch.rank == 5
    # Rounding of 5-term sums, times the norm 5.
    np.testing.assert_allclose(
        sketch.diagonal(), np.diag(matrix), rtol=0, atol=1e-13
    )
    assert np.max(np.abs(sketch.residual(np.ones((5, 1))))) < 1e-13
    empty, _, coordinates = sketched(np.zeros((5, 5)), (3,))
    assert empty.rank == 0
    assert coordinates[0].shape == (0, 3)
    np.testing.assert_array_equal(empty.diagonal(), 0.0)


def test_deflated_probes_are_not_those_of_the_sketch():
    matrix = spectra.symmetric(np.cos(np.arange(60)))
    probes = DeflatedProbes(
        lambda block: matrix @ block, 60, sketch_size=11, seed=2
    )
    sketch, _, _ = sketched(matrix, (8, 3), seed=2)
    after = rademacher(60, count=2, first=11, seed=2)
    # The same operations in the same order.
    np.testing.assert_array_equal(probes.exact, sketch.diagonal())
    np.testing.assert_allclose(
        probes.terms(2), after * sketch.residual(after), rtol=1e-12
    )
