"""The weights and the moving statistics at the points of a grid."""

from typing import Any

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.landscape.endpoints import Endpoint, StatePath
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.points import MovedWeights, PackedWeights
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


class PlanePoints:
    """What an objective is evaluated with at each point of a grid.

    The state, frozen weights and moving statistics, is that of the models on
    the plane, if the plane knows it: that of its centre everywhere, or of three
    models mixed with the coefficients that sum to 1 and give the point's
    weights from theirs.

    Args:
        objective: `Objective`.
        plane: `Plane`.
        alphas: Array (n,), or None for the plane's own grid.
        betas: Array (m,), or None.
        num_points: Int, or two: of the plane's own grid.

    Attributes:
        alphas: Array (n,).
        betas: Array (m,).
        moving_statistics: Str. As in `LossSurface`.

    Raises:
        ValueError: If plane and objective do not fit, or a grid is none.
    """

    def __init__(
        self,
        objective: Objective,
        plane: Plane,
        alphas: np.ndarray | None = None,
        betas: np.ndarray | None = None,
        num_points: int | tuple[int, int] = 25,
    ):
        layout = objective.layout
        layout.check(plane.origin, "plane.origin")
        if np.shape(plane.directions) != (2, layout.size):
            raise ValueError(
                f"`plane.directions` must have shape (2, {layout.size}). "
                f"Received: {np.shape(plane.directions)}."
            )
        for index, direction in enumerate(plane.directions):
            layout.check(direction, f"plane.directions[{index}]")
        usual = plane.grid(num_points)
        self.alphas = check_axis("alphas", alphas, usual[0])
        self.betas = check_axis("betas", betas, usual[1])
        self._weights = Combinations(
            layout,
            plane.origin,
            plane.directions,
            num_kept=len(self.alphas) + len(self.betas),
        )
        ends = [Endpoint(plane.origin, state) for state in plane.states]
        self._path = StatePath(
            objective, *(ends or [Endpoint(plane.origin, None)])
        )
        # Row i of the inverse gives the share of model i.
        self._shares = np.ones((1, 3)) * [1.0, 0.0, 0.0]
        if len(ends) > 1:
            self._shares = np.linalg.pinv(
                np.vstack([np.ones(len(ends)), np.transpose(plane.anchors)])
            )
        self.moving_statistics = objective.batch_norm
        if objective.batch_norm == "inference":
            self.moving_statistics = (
                "objective" if self._path.is_own else "plane"
            )

    def at(self, row: int, column: int) -> tuple[MovedWeights, Any]:
        """Weights and state, as `Objective.evaluate` takes them.

        Args:
            row: Int. Which β.
            column: Int. Which α.

        Returns:
            `MovedWeights`, and a list of tensors.
        """
        alpha, beta = float(self.alphas[column]), float(self.betas[row])
        return self._weights.at(alpha, beta), self.state_at(alpha, beta)

    def state_at(self, alpha: float, beta: float) -> list[Any]:
        """The state alone, at any point of the plane."""
        return self._path.at(*(self._shares @ [1.0, alpha, beta]))


def check_axis(
    name: str, values: np.ndarray | None, usual: np.ndarray
) -> np.ndarray:
    """`values` as an axis of a grid, or the usual ones.

    Args:
        name: Str. What to call it in an error.
        values: Array-like, or None.
        usual: Array. What None stands for.

    Returns:
        Array, float64, ascending.

    Raises:
        ValueError: If they are no axis.
    """
    if values is None:
        return usual
    remedy = "Pass e.g. np.linspace(-1, 1, 25)."
    found = arguments.array(name, values, shape=(None,), remedy=remedy)
    if len(found) < 2 or not np.all(np.diff(found) > 0):
        raise arguments.refuse(
            name, values, "two or more numbers in ascending order", remedy
        )
    return found
