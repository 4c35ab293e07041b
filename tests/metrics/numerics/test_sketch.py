"""The sketch against dense projections."""

import numpy as np
import pytest

from keras_sharpness.metrics.numerics.deflated_probes import DeflatedProbes
from keras_sharpness.metrics.numerics.probes import rademacher
from keras_sharpness.metrics.numerics.sketch import Sketch
from tests.metrics import spectra


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
