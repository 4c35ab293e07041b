"""Block Lanczos in bounded memory: full reorthogonalisation, thick restart."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from keras_sharpness.metrics.krylov.basis_dtype import BasisDtype

# In units of rounding: it leaves dot products of unit vectors below this at any
# length that fits in memory; eigenvalues feel the square of it.
_ORTHOGONAL = 500
# Two passes are the rule; more where a block is nearly dependent. Each gains
# at least half of the digits.
_MAX_PASSES = 5
# Bytes in one panel of the basis, which stays in the cache while it is used.
_PANEL = 2**19
# Multiplications in one matrix product on a panel. OpenBLAS splits larger ones
# among threads, which wait for each other thousands of times a step: ten times
# slower wherever anything else runs.
_LARGEST_PRODUCT = 2**18


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
    """An orthonormal basis V of m vectors, on which A is projected.

    `A V = V T + Q S` with `Qᵀ V = 0`: T (m, m) is the projection of the
    symmetric operator A, and Q (P, q) holds the vectors that wait to become
    part of the basis. A step multiplies some of them by A, and what the
    products add to the span waits in their place. The relation holds after
    `restart` as well, with Ritz vectors for a basis, so that steps may go on
    for ever in `capacity` vectors.

    Products are made orthogonal to the basis by classical Gram-Schmidt, twice
    ("twice is enough"), which keeps it orthogonal to rounding, so that no
    eigenvalue appears as a ghost. V and Q are the rows of one array that is
    changed in place, by matrix products on narrow panels of it: a step reads
    the basis twice and allocates nothing but what `multiply` returns.

    Args:
        multiply: Callable, (P, b) → A times it (P, b).
        start: Array (q, P), the vectors to begin with, as in `wait`.
        capacity: Int. Number of vectors to make room for: m + q, and those
            that the next step multiplies.
        basis_dtype: Str. What V and Q are kept in. Sums over their entries are
            float64 from panel to panel, and so are T and S.

    Attributes:
        num_vectors: Int. m.
        num_waiting: Int. q; 0 when the span of V is invariant under A.

    Reference:
        Golub and Underwood 1977, The block Lanczos method for computing
        eigenvalues; Wu and Simon 2000,
        https://doi.org/10.1137/S0895479898334605, for the restart; Stathopoulos
        and Wu 2002, https://doi.org/10.1137/S1064827500370883, for the
        orthogonalisation within a block.
    """

    def __init__(
        self,
        multiply: Callable[[np.ndarray], np.ndarray],
        start: np.ndarray,
        *,
        capacity: int,
        basis_dtype: BasisDtype = "float64",
    ):
        self._multiply = multiply
        # V, Q, products
        self._rows = np.empty((capacity, start.shape[1]), basis_dtype)
        self._epsilon = float(np.finfo(basis_dtype).eps)
        self._projection = np.zeros((capacity, capacity))  # T
        self._coupling = np.zeros((0, 0))  # S, (q, m)
        self.num_vectors = 0
        self.num_waiting = 0
        self.wait(start)

    @property
    def num_free(self) -> int:
        """How many vectors the next step may multiply."""
        return len(self._rows) - self.num_vectors - self.num_waiting

    def wait(self, start: np.ndarray, *, keep: bool = False) -> None:
        """Lets vectors wait; V must be empty or span an invariant space.

        Args:
            start: Array (b, P). What depends on the others is left out.
            keep: Bool. Whether those that wait already stay.
        """
        if not keep:
            self.num_waiting = 0
        end = self.num_vectors + self.num_waiting
        self._rows[end : end + len(start)] = start
        overlap, gram = self._sweep(end, len(start))
        factor = self._orthonormalise(end, overlap, gram)[1]
        self.num_waiting += factor.shape[1]
        self._coupling = np.zeros((self.num_waiting, self.num_vectors))

    def step(self, count: int) -> None:
        """Extends the basis by `count` waiting vectors, multiplying them."""
        size, end = self.num_vectors, self.num_vectors + self.num_waiting
        here = slice(size, size + count)
        self._rows[end : end + count] = self._multiply(self._rows[here].T).T
        # By symmetry the overlap with V is S; the first pass need not measure
        # it. The second does, and finds what the product lacks in symmetry.
        overlap, gram = self._sweep(end, count, first=size)
        overlap[:, :size] = self._coupling[:count]
        overlap, factor = self._orthonormalise(end, overlap, gram)
        self.num_vectors += count
        self.num_waiting += factor.shape[1] - count
        known = overlap[:, : self.num_vectors]
        self._projection[here, : self.num_vectors] = known
        self._projection[: self.num_vectors, here] = known.T
        inner = known[:, here]
        self._projection[here, here] = (inner + inner.T) / 2
        self._coupling = np.block(
            [
                [self._coupling[count:], overlap[:, self.num_vectors :].T],
                [np.zeros((factor.shape[1], size)), factor.T],
            ]
        )

    def ritz(self) -> Ritz:
        """The Ritz pairs of the basis as it is now."""
        size = self.num_vectors
        values, coordinates = np.linalg.eigh(self._projection[:size, :size])
        residuals = np.linalg.norm(self._coupling @ coordinates, axis=0)
        return Ritz(values, residuals, coordinates)

    def sort_waiting(self, coordinates: np.ndarray) -> None:
        """Rotates Q so that the residuals of some vectors come first in it.

        Args:
            coordinates: Array (m, k), the vectors.
        """
        size, end = self.num_vectors, self.num_vectors + self.num_waiting
        rotation = np.linalg.svd(self._coupling @ coordinates)[0].T
        self._coupling = rotation @ self._coupling
        rotation = rotation.astype(self._rows.dtype)
        for panel in self._panels(rotation.size):
            panel[size:end] = rotation @ panel[size:end]

    def restart(self, values: np.ndarray, coordinates: np.ndarray) -> None:
        """Keeps some Ritz pairs, and drops the rest of the basis.

        Args:
            values: Array (k,).
            coordinates: Array (m, k).
        """
        size, end = self.num_vectors, self.num_vectors + self.num_waiting
        kept = len(values)
        combine = coordinates.T.astype(self._rows.dtype)
        for panel in self._panels(coordinates.size):
            panel[:kept] = combine @ panel[:size]
            panel[kept : kept + end - size] = panel[size:end]
        self.num_vectors = kept
        self._projection[:kept, :kept] = np.diag(values)
        self._coupling = self._coupling @ coordinates

    def vectors(self, coordinates: np.ndarray) -> np.ndarray:
        """Combinations of the basis.

        Args:
            coordinates: Array (m, k).

        Returns:
            Array (P, k).
        """
        total = np.empty((coordinates.shape[1], self._rows.shape[1]))
        column = 0
        for panel in self._panels(coordinates.size):
            part = coordinates.T @ panel[: self.num_vectors]
            total[:, column : column + part.shape[1]] = part
            column += part.shape[1]
        return total.T

    def _panels(self, height: int) -> Iterator[np.ndarray]:
        """Columns of all rows, few enough to multiply by `height` numbers."""
        column = len(self._rows) * self._rows.itemsize
        width = min(_PANEL // column, _LARGEST_PRODUCT // height)
        width = max(64, width)
        for start in range(0, self._rows.shape[1], width):
            yield self._rows[:, start : start + width]

    def _orthonormalise(
        self, end: int, overlap: np.ndarray, gram: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Makes rows from `end` orthonormal to all above and to each other.

        Args:
            end: Int.
            overlap: Array (b, end). Of these rows with those above, as far as
                it is known.
            gram: Array (b, b). Of these rows.

        Returns:
            Overlap (b, end) and factor (b, r), r ≤ b the rank that was found:
            `rows before = overlap · rows above + factor · rows after`.
        """
        total = overlap
        norms = np.sqrt(np.diag(gram))
        kept = norms > 0.0
        mix = np.diag(1 / np.where(kept, norms, 1.0))[kept]
        factor = np.diag(norms)[:, kept]
        # A row's rounding errors relative to itself. They grow as most of it
        # cancels; a row that consists of them is no direction of A.
        noise = np.full(len(mix), self._epsilon)
        measure = True
        for _ in range(_MAX_PASSES):
            overlap, gram = self._sweep(
                end, len(overlap), overlap, mix, measure
            )
            if not measure:
                break
            largest = np.max(np.abs(overlap), initial=0.0)
            skew = np.max(np.abs(gram - np.eye(len(gram))), initial=0.0)
            if max(largest, skew) < _ORTHOGONAL * self._epsilon:
                break
            total = total + factor @ overlap
            gram = gram - overlap @ overlap.T
            norms = np.sqrt(np.maximum(np.diag(gram), 0.0))
            kept = noise < 0.1 * norms
            norms, noise = norms[kept], noise[kept] / norms[kept]
            gram = gram[np.ix_(kept, kept)] / np.outer(norms, norms)
            values, vectors = np.linalg.eigh(gram)
            # Below this a Gram matrix does not tell; the next pass does.
            roots = np.sqrt(np.maximum(values, self._epsilon))
            mix = np.zeros((len(roots), len(kept)))
            mix[:, kept] = (vectors / roots).T / norms
            factor = (factor[:, kept] * norms) @ (vectors * roots)
            noise = np.sqrt(noise**2 @ vectors**2) / roots
            # Little cancels from here on: orthogonal without another look.
            measure = largest > 0.1 * np.min(norms, initial=1.0) or np.any(
                roots < 0.1
            )
        return total, factor

    def _sweep(
        self,
        end: int,
        count: int,
        remove: np.ndarray | None = None,
        mix: np.ndarray | None = None,
        measure: bool = True,
        *,
        first: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """`rows ← mix (rows − remove · rows above)`, then what is left.

        Returns:
            The overlap of the new rows with those above from the `first` on,
            and their Gram matrix; both 0 unless measured.
        """
        size, used = count, end
        if remove is not None:
            size = len(mix)
            # Three blocks, unless there was a restart.
            used = int(np.argmax(np.append(remove.any(axis=0), True)))
            remove = remove[:, used:].astype(self._rows.dtype)
            mix = mix.astype(self._rows.dtype)
        overlap, gram = np.zeros((size, end)), np.zeros((size, size))
        for panel in self._panels(count * (end + count)):
            above, rows = panel[:end], panel[end : end + count]
            if remove is not None:
                rows = mix @ (rows - remove @ above[used:])
                panel[end : end + size] = rows
            if measure:
                overlap[:, first:] += rows @ above[first:].T
                gram += rows @ rows.T
        return overlap, gram
