"""The order in which the points of a grid come."""

import numpy as np
import pytest

from keras_sharpness.landscape.coarse_to_fine import coarse_to_fine, levels


@pytest.mark.parametrize("num_points", [2, 3, 4, 9, 12, 25])
def test_every_point_comes_once(num_points):
    places = [p for s in coarse_to_fine(num_points, 6) for p in s]
    assert sorted(places) == list(np.ndindex(num_points, 6))


def test_25_points_refine_by_halves():
    sizes = [int((levels(25) <= n).sum()) for n in range(5)]
    assert sizes == [3, 5, 9, 17, 25]
