"""Block Lanczos with full reorthogonalisation, one block at a time."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Ritz:
    """Ritz pairs of a Lanczos basis of m vectors, ascending.

    Attributes:
        values: Array (m,).
        residuals: Array (m,). ‖A u − θ u‖ of each Ritz vector u.
        coordinates: Array (m, m). Ritz vectors in the basis, as columns.
    """

    values: np.ndarray
    residuals: np.ndarray
    coordinates: np.ndarray


class Lanczos:
    """An orthonormal basis in which a symmetric operator is block tridiagonal.

    `A V = V T + Q R Eᵀ`: V the basis, T the projection of A on it, Q the next
    block of b vectors, E the last block's unit vectors; all in float64. New
    vectors are made orthogonal to all earlier ones twice, which keeps the
    basis orthogonal to rounding ("twice is enough"), so that no eigenvalue
    appears as a ghost. A block of b vectors finds eigenvalues of multiplicity
    up to b; a single vector sees one copy of each.

    Args:
        multiply: Callable, (P, b) → A times it (P, b).
        size: Int. P.
        block_size: Int. b.
        seed: Int. For the start, which is N(0, 1).

    Attributes:
        num_vectors: Int. m, the size of the basis and the number of products.

    Reference:
        Golub and Underwood 1977, The block Lanczos method for computing
        eigenvalues; Parlett 1998, The Symmetric Eigenvalue Problem, ch. 13.
    """

    def __init__(
        self,
        multiply: Callable[[np.ndarray], np.ndarray],
        size: int,
        *,
        block_size: int = 1,
        seed: int = 0,
    ):
        self._multiply = multiply
        self._size = size
        self._generator = np.random.default_rng(seed)
        self._blocks: list[np.ndarray] = []  # (b, P) each
        self._diagonal: list[np.ndarray] = []  # (b, b) each
        self._below: list[np.ndarray] = []  # (next b, b) each
        self.num_vectors = 0
        start = self._generator.standard_normal((min(block_size, size), size))
        self._next, _ = self._orthonormal_rows(start)

    @property
    def next_size(self) -> int:
        """How many products the next step takes; 0 when A is exhausted."""
        return len(self._next)

    def step(self) -> None:
        """Extends the basis by one block, at the cost of its products."""
        block = self._next
        self._blocks.append(block)
        self.num_vectors += len(block)
        product = np.ascontiguousarray(self._multiply(block.T).T)
        projection = block @ product.T
        self._diagonal.append((projection + projection.T) / 2)
        self._next, below = self._orthonormal_rows(product)
        self._below.append(below)

    def ritz(self) -> Ritz:
        """The Ritz pairs of the basis as it is now."""
        projection = np.zeros((self.num_vectors, self.num_vectors))
        ends = np.cumsum([0, *map(len, self._blocks)])
        for i, diagonal in enumerate(self._diagonal):
            here = slice(ends[i], ends[i + 1])
            projection[here, here] = diagonal
            if i + 1 < len(self._diagonal):
                after = slice(ends[i + 1], ends[i + 2])
                projection[after, here] = self._below[i]
                projection[here, after] = self._below[i].T
        values, coordinates = np.linalg.eigh(projection)
        last = coordinates[ends[-2] :]
        residuals = np.linalg.norm(self._below[-1] @ last, axis=0)
        return Ritz(values, residuals, coordinates)

    def vectors(self, coordinates: np.ndarray) -> np.ndarray:
        """Combinations of the basis.

        Args:
            coordinates: Array (m, k).

        Returns:
            Array (P, k).
        """
        total = np.zeros((coordinates.shape[1], self._size))
        row = 0
        for block in self._blocks:
            total += coordinates[row : row + len(block)].T @ block
            row += len(block)
        return total.T

    def _orthonormal_rows(
        self, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Q (b', P) and R (b', b) with `rows = Rᵀ Q` off the basis."""
        tiny = 10 * np.finfo(np.float64).eps * np.linalg.norm(rows, axis=1)
        rows = self._off_basis(rows)
        block: list[np.ndarray] = []
        coefficients = np.zeros((len(rows), len(rows)))
        for j, row in enumerate(rows):
            for _ in range(2):
                for i, q in enumerate(block):
                    overlap = q @ row
                    coefficients[i, j] += overlap
                    row = row - overlap * q
            norm = np.linalg.norm(row)
            if norm <= max(tiny[j], np.finfo(np.float64).tiny):
                # The basis spans an invariant subspace: go on in its
                # complement, where more eigenvalues may lie.
                if self.num_vectors + len(block) >= self._size:
                    continue
                row = self._generator.standard_normal(self._size)
                row = self._off_basis(row[None])[0]
                for q in (*block, *block):
                    row = row - (q @ row) * q
                norm = np.linalg.norm(row)
            else:
                coefficients[len(block), j] = norm
            block.append(row / norm)
        if not block:
            return np.zeros((0, self._size)), np.zeros((0, len(rows)))
        return np.stack(block), coefficients[: len(block)]

    def _off_basis(self, rows: np.ndarray) -> np.ndarray:
        for _ in range(2):
            for block in self._blocks:
                rows = rows - (rows @ block.T) @ block
        return rows
