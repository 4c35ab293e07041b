"""The box of Metric 2.1, in the full space and in a random subspace."""

import time
from collections.abc import Callable
from typing import Literal

import numpy as np

from keras_sharpness.metrics.objective import Objective

SubspaceScaling = Literal["normal", "unit"]

# Columns of A are multiplied in pieces of this many rows: float32 products
# whose sums are then carried on in float64.
_CHUNK = 1 << 16


class Box:
    """f(x + A (b ∘ z)) over the unit box z in [-1, 1]ᵖ.

    The box of Keskar et al., equation 3, has the half-widths
    `bᵢ = ε (|(A⁺x)ᵢ| + 1)`; z measures a displacement in units of it. The
    best point that is evaluated is remembered, whichever maximiser asked.

    Args:
        objective: The `Objective` f.
        x: Array (P,), the centre.
        epsilon: Float. ε > 0.
        basis: Array (p, P) whose rows are the columns of A, or None for the
            full space, A = I.
        on_evaluation: Callable without arguments, called after each.

    Attributes:
        dimension: Int. p.
        num_evaluations: Int. Evaluations of f with its gradient so far.
        seconds: Float. Time they took.
        best_value: Float. Largest f seen.
        best_z: Array (p,). Where.
    """

    def __init__(
        self,
        objective: Objective,
        x: np.ndarray,
        epsilon: float,
        basis: np.ndarray | None = None,
        on_evaluation: Callable[[], None] = lambda: None,
    ):
        self._on_evaluation = on_evaluation
        self._objective = objective
        self._x = x
        self._basis = basis
        coordinates = x if basis is None else pseudo_inverse(basis, x)
        self.half_widths = epsilon * (np.abs(coordinates) + 1.0)
        self.dimension = len(coordinates)
        self.num_evaluations = 0
        self.seconds = 0.0
        self.best_value = -np.inf
        self.best_z = np.zeros(self.dimension)
        # Every maximiser asks for its start again, and most start here.
        self._centre: tuple[float, np.ndarray] | None = None
        self._last: tuple[np.ndarray, tuple[float, np.ndarray]] | None = None

    def displacement(self, z: np.ndarray) -> np.ndarray:
        """A (b ∘ z), the displacement of the weights, (P,)."""
        step = self.half_widths * z
        if self._basis is None:
            return step
        return (step.astype(self._basis.dtype) @ self._basis).astype(float)

    def value_and_gradient(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss at z and its gradient with respect to z.

        Args:
            z: Array (p,) in [-1, 1].

        Returns:
            Float, and array (p,).

        Raises:
            FloatingPointError: If the loss is not finite there.
        """
        # Rounding in a maximiser must not leave the box.
        z = np.clip(z, -1.0, 1.0)
        at_centre = not np.any(z)
        if at_centre and self._centre is not None:
            return self._centre
        if self._last is not None and np.array_equal(z, self._last[0]):
            return self._last[1]
        start = time.perf_counter()
        value, gradient = self._objective.value_and_gradient(
            self._x + self.displacement(z)
        )
        self.seconds += time.perf_counter() - start
        self.num_evaluations += 1
        self._on_evaluation()
        if not np.isfinite(value):
            raise FloatingPointError(
                f"The loss is {value} inside the box, so it has no maximum "
                "there. Pass a smaller `epsilon`."
            )
        if value > self.best_value:
            self.best_value, self.best_z = value, z
        if self._basis is not None:
            gradient = multiply(self._basis, gradient)
        result = value, self.half_widths * gradient
        if at_centre:
            self._centre = result
        self._last = z, result
        return result


def random_basis(
    size: int, dimension: int, *, scaling: SubspaceScaling, seed: int
) -> np.ndarray:
    """The columns of a random A, as rows.

    Args:
        size: Int. P.
        dimension: Int. p, the number of columns.
        scaling: Str. `"normal"` for N(0, 1) entries, `"unit"` for columns of
            length 1.
        seed: Int.

    Returns:
        Array (p, P), float32: twice as many bytes would buy nothing for
        numbers that are random.
    """
    generator = np.random.default_rng(seed)
    basis = generator.standard_normal((dimension, size), dtype=np.float32)
    if scaling == "unit":
        basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    return basis


def multiply(basis: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Basis (p, P) times vector (P,) with sums in float64."""
    total = np.zeros(len(basis))
    for start in range(0, len(vector), _CHUNK):
        part = slice(start, start + _CHUNK)
        total += basis[:, part] @ vector[part].astype(basis.dtype)
    return total


def pseudo_inverse(basis: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A⁺x for A whose columns are the rows of `basis`.

    The columns are independent with probability one, so that
    `A⁺ x = (AᵀA)⁻¹ Aᵀ x`.

    Args:
        basis: Array (p, P).
        x: Array (P,).

    Returns:
        Array (p,), float64.
    """
    gram = np.zeros((len(basis), len(basis)))
    projection = np.zeros(len(basis))
    for start in range(0, len(x), _CHUNK):
        part = basis[:, start : start + _CHUNK].astype(np.float64)
        gram += part @ part.T
        projection += part @ x[start : start + _CHUNK]
    return np.linalg.solve(gram, projection)
