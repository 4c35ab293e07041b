"""A plane in the weight space."""

import dataclasses
from typing import Any

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.results import Result


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Plane(Result):
    """The points `origin + α d₁ + β d₂`.

    `random_plane`, `hessian_plane`, `trajectory_plane` and `plane_through` make
    planes; a plane with directions of your own needs the first three fields.

    Attributes:
        basis: Str. `"random"`, `"hessian"`, `"trajectory"`, `"models"`, or a
            word of your own.
        origin: Array (P,).
        directions: Array (2, P): d₁ and d₂.
        labels: Two str: what d₁ and d₂ are.
        names: Tuple of k str: the models that lie on the plane.
        anchors: Array (k, 2): where they lie, as (α, β).
        extent: Array (2, 2): the range of α, and of β, that is worth a look.
        states: For each of the k models the arrays of its non-trainable
            variables, such as moving statistics; empty where they are not
            known.
        explained_variance: Array (2,): shares of the trajectory's variance
            along each direction; None but for `"trajectory"`.
        made: Dict. How the directions were found.

    Example:

    ```python
    import numpy as np
    from keras_sharpness.landscape import Plane

    plane = Plane(
        basis="mine", origin=np.zeros(3), directions=np.eye(3)[:2] * 2.0
    )
    (alpha, beta), distance = plane.coordinates(np.array([2.0, 4.0, 5.0]))
    assert np.allclose([alpha, beta, distance], [1.0, 2.0, 5.0])
    ```
    """

    basis: str
    origin: np.ndarray
    directions: np.ndarray
    labels: tuple[str, ...] = ("direction 1", "direction 2")
    names: tuple[str, ...] = ()
    anchors: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros((0, 2))
    )
    extent: np.ndarray = dataclasses.field(
        default_factory=lambda: np.array([[-1.0, 1.0], [-1.0, 1.0]])
    )
    states: tuple[Any, ...] = ()
    explained_variance: np.ndarray | None = None
    made: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def lengths(self) -> np.ndarray:
        """Array (2,): ‖d₁‖₂ and ‖d₂‖₂."""
        return np.linalg.norm(self.directions, axis=1)

    @property
    def cosine(self) -> float:
        """The cosine of the angle between the directions; 0 is a right one."""
        product = self.directions[0] @ self.directions[1]
        return float(product / np.prod(self.lengths))

    def point(self, alpha: float, beta: float) -> np.ndarray:
        """The weights at (α, β).

        Args:
            alpha: Float.
            beta: Float.

        Returns:
            Array (P,), float64.
        """
        return (
            self.origin + alpha * self.directions[0] + beta * self.directions[1]
        )

    def coordinates(self, w: np.ndarray) -> tuple[np.ndarray, float]:
        """Where the point of the plane lies that is nearest to w.

        Args:
            w: Array (P,).

        Returns:
            Array (2,) with α and β, and the Euclidean distance of w from the
            plane.

        Raises:
            ValueError: If the directions are parallel.
        """
        offset = arguments.array("w", w, shape=self.origin.shape) - self.origin
        # At unit length the matrix is as well conditioned as the angle lets.
        unit = self.directions / self.lengths[:, None]
        gram = unit @ unit.T
        if not abs(gram[0, 1]) < 1.0 - 1e-12:
            raise ValueError(
                "The directions of the plane are parallel. Received: cosine "
                f"{gram[0, 1]}. Pass two that differ."
            )
        along = np.linalg.solve(gram, unit @ offset)
        distance = float(np.linalg.norm(offset - along @ unit))
        return along / self.lengths, distance

    def grid(
        self, num_points: int | tuple[int, int] = 25
    ) -> tuple[np.ndarray, np.ndarray]:
        """Evenly spaced α and β over `extent`.

        Args:
            num_points: Int, or two: how many along each direction.

        Returns:
            Two arrays.

        Raises:
            ValueError: If there are fewer than two points.
        """
        counts = num_points
        if not isinstance(counts, list | tuple):
            counts = (num_points, num_points)
        counts = [
            arguments.integer("num_points", count, least=2) for count in counts
        ]
        if len(counts) != 2:
            raise arguments.refuse(
                "num_points", num_points, "one number or two", "Pass e.g. 25."
            )
        alphas, betas = (
            np.linspace(low, high, count)
            for (low, high), count in zip(self.extent, counts, strict=True)
        )
        return alphas, betas

    def description(self) -> dict[str, Any]:
        """All but the vectors, as results measured on the plane keep it."""
        return {
            "basis": self.basis,
            "labels": tuple(self.labels),
            "names": tuple(self.names),
            "anchors": np.asarray(self.anchors),
            "lengths": self.lengths,
            "cosine": self.cosine,
            "explained_variance": self.explained_variance,
            "made": self.made,
        }
