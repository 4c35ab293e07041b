"""Planes, however they are made."""

import numpy as np
import pytest

from keras_sharpness.landscape import (
    Plane,
    random_plane,
)


def test_coordinates_on_a_skew_plane():
    """The oracle is least squares by NumPy."""
    rng = np.random.default_rng(0)
    origin, directions = rng.standard_normal(9), rng.standard_normal((2, 9))
    directions[1] += 3.0 * directions[0]
    plane = Plane(basis="own", origin=origin, directions=directions)
    w = rng.standard_normal(9)
    place, distance = plane.coordinates(w)
    expected, residual, *_ = np.linalg.lstsq(
        directions.T, w - origin, rcond=None
    )
    # The condition of the normal equations is about 100 here.
    np.testing.assert_allclose(place, expected, rtol=1e-12)
    assert distance == pytest.approx(np.sqrt(residual[0]), rel=1e-12)
    again, off = plane.coordinates(plane.point(*place))
    np.testing.assert_allclose(again, place, rtol=1e-12)
    assert off < 1e-13


def test_parallel_directions_have_no_coordinates():
    plane = Plane(
        basis="own", origin=np.zeros(2), directions=np.array([[1, 2], [2, 4.0]])
    )
    with pytest.raises(ValueError, match="parallel"):
        plane.coordinates(np.ones(2))


@pytest.mark.parametrize("num_points", [1, 2.5, (5, 1)])
def test_a_grid_has_two_points_or_more(num_points):
    plane = Plane(basis="own", origin=np.zeros(2), directions=np.eye(2))
    with pytest.raises(ValueError, match="num_points"):
        plane.grid(num_points)


def test_a_plane_is_saved_and_read(classifier, tmp_path):
    plane = random_plane(classifier["train"], seed=4, layers="hidden")
    plane.save(tmp_path / "plane.json")
    again = Plane.load(tmp_path / "plane.json")
    np.testing.assert_array_equal(again.directions, plane.directions)
    np.testing.assert_array_equal(again.states[0][0], plane.states[0][0])
    assert again.made == {**plane.made, "layers": ("hidden",)}
