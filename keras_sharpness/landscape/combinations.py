"""Weights between given ones, put together on the device."""

from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.weights import WeightLayout

# What rows and columns may occupy so as not to be computed again for every
# point; beyond, an evaluation takes so long that this does not count.
_MOST_BYTES = 1 << 29
_HALF = ("float16", "bfloat16")


class Combinations:
    """`origin + Σ cᵢ dᵢ` as tensors of the variables' shapes.

    A point is the sum of a row, the origin with all directions but the first,
    and a column, a multiple of the first. Both are kept, so that on a grid a
    point costs one addition. Variables that no direction moves stay the
    tensors they are.

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
        self._origin = _tensors(layout, origin)
        parts = [layout.parts(direction) for direction in directions]
        # Of each direction, the variables that it moves.
        self._directions = [
            {
                place: tensor
                for place, tensor in enumerate(_tensors(layout, direction))
                if np.any(part[place])
            }
            for part, direction in zip(parts, directions, strict=True)
        ]
        # Of a row or column, only what some direction moves is new; float32
        # has half of these bytes.
        moved = set().union(*self._directions)
        width = sum(parts[0][place].nbytes for place in moved)
        self._keeps = 0 < num_kept * width / 2 <= _MOST_BYTES
        self._rows: dict[tuple, list] = {}
        self._columns: dict[float, dict[int, Any]] = {}

    def at(self, first: float, *others: float) -> list[Any]:
        """The weights at the coefficients of all directions.

        Args:
            first: Float.
            *others: Floats.

        Returns:
            List of tensors, as `Objective.evaluate` takes it.
        """
        weights = list(self._row(others))
        for place, tensor in self._column(first).items():
            weights[place] = weights[place] + tensor
        return weights

    def _row(self, others: tuple[float, ...]) -> list[Any]:
        row = self._rows.get(others)
        if row is None:
            row = list(self._origin)
            for c, direction in zip(others, self._directions[1:], strict=True):
                for place, tensor in direction.items():
                    row[place] = row[place] + c * tensor
            if not self._keeps:
                self._rows.clear()
            self._rows[others] = row
        return row

    def _column(self, c: float) -> dict[int, Any]:
        column = self._columns.get(c)
        if column is None:
            column = {
                place: c * tensor
                for place, tensor in self._directions[0].items()
            }
            if self._keeps:
                self._columns[c] = column
        return column


def _tensors(layout: WeightLayout, vector: np.ndarray) -> list[Any]:
    return [
        keras.ops.convert_to_tensor(
            part.reshape(shape),
            # Steps below the spacing of half precision must still add up.
            dtype="float32" if dtype in _HALF else dtype,
        )
        for part, shape, dtype in zip(
            layout.parts(vector), layout.shapes, layout.dtypes, strict=True
        )
    ]
