"""Weights between given ones, put together on the device."""

from typing import Any

import numpy as np

from keras_sharpness.metrics.points import (
    MovedWeights,
    PackedWeights,
)
from keras_sharpness.metrics.weights import WeightLayout

# What rows and columns may occupy so as not to be computed again for every
# point; beyond, an evaluation takes so long that this does not count.
_MOST_BYTES = 1 << 29


class Combinations:
    """`origin + Σ cᵢ dᵢ` as weights to evaluate at.

    A point is the sum of a row, the origin with all directions but the first,
    and a column, a multiple of the first. Both are kept, so that on a grid a
    point costs one addition, within the evaluation.

    Args:
        layout: `WeightLayout`.
        origin: Array (P,).
        directions: Array (k, P), k at least 1.
        num_kept: Int. How many rows and columns will come again; with 0 only
            the last row is kept.
    """

    def __init__(
        self,
        layout: WeightLayout,
        origin: np.ndarray,
        directions: np.ndarray,
        *,
        num_kept: int,
    ):
        packing = PackedWeights(layout)
        self._origin = packing.pack(origin)
        self._directions = [packing.pack(direction) for direction in directions]
        self._keeps = 0 < num_kept * packing.num_bytes <= _MOST_BYTES
        self._rows: dict[tuple, Any] = {}
        self._columns: dict[float, Any] = {}

    def at(self, first: float, *others: float) -> MovedWeights:
        """The weights at the coefficients of all directions.

        Args:
            first: Float.
            *others: Floats.

        Returns:
            `MovedWeights`, as `Objective.evaluate` takes them.
        """
        return MovedWeights(self._row(others), self._column(first))

    def _row(self, others: tuple[float, ...]) -> Any:
        row = self._rows.get(others)
        if row is None:
            row = self._origin
            for c, direction in zip(others, self._directions[1:], strict=True):
                row = row + c * direction
            if not self._keeps:
                self._rows.clear()
            self._rows[others] = row
        return row

    def _column(self, c: float) -> Any:
        column = self._columns.get(c)
        if column is None:
            column = c * self._directions[0]
            if self._keeps:
                self._columns[c] = column
        return column
