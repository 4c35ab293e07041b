"""An order of a grid's points that begins with coarse grids."""

import itertools
from collections.abc import Iterator

import numpy as np


def levels(num_points: int) -> np.ndarray:
    """At which refinement each point of an axis comes in.

    The ends and the middle are level 0; every further level halves the gaps
    that are left.

    Args:
        num_points: Int, positive.

    Returns:
        Array (num_points,) of int.

    Example:

    ```python
    from keras_sharpness.landscape.coarse_to_fine import levels

    assert levels(9).tolist() == [0, 2, 1, 2, 0, 2, 1, 2, 0]
    ```
    """
    level = np.full(num_points, -1)
    level[[0, (num_points - 1) // 2, num_points - 1]] = 0
    now = 0
    while np.any(level < 0):
        known = np.flatnonzero(level >= 0)
        now += 1
        for before, after in itertools.pairwise(known):
            if after - before > 1:
                level[(before + after) // 2] = now
    return level


def coarse_to_fine(
    num_rows: int, num_columns: int
) -> Iterator[list[tuple[int, int]]]:
    """The points of a grid, in stages that complete ever finer grids.

    Args:
        num_rows: Int.
        num_columns: Int.

    Yields:
        List of (row, column): what the next finer grid adds.
    """
    grid = grid_levels(num_rows, num_columns)
    for stage in range(int(grid.max()) + 1):
        yield [
            (int(row), int(column))
            for row, column in np.argwhere(grid == stage)
        ]


def grid_levels(num_rows: int, num_columns: int) -> np.ndarray:
    """At which stage of `coarse_to_fine` each point comes, (rows, columns)."""
    return np.maximum.outer(levels(num_rows), levels(num_columns))
