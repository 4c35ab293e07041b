"""Block Lanczos in bounded memory: full reorthogonalisation, thick restart."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from keras_sharpness.metrics.numerics.basis_dtype import BasisDtype

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
        couplings: Array (q, m). A u − θ u in the basis of what waits.
        starts: Array (e, m + q, b). The random start vectors in the basis of
            the Ritz vectors and of what waits; see `Lanczos.restart` for e.
    """

    values: np.ndarray
    residuals: np.ndarray
    coordinates: np.ndarray
    couplings: np.ndarray
    starts: np.ndarray


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

    A is measured in units of a power of two near the largest entry of its first
    product, so that squares of neither tiny nor huge matrices leave the range
    of the basis. Multiply values and residuals by `unit`.

    Args:
        multiply: Callable, (P, b) → A times it (P, b).
        size: Int. P.
        capacity: Int. Number of vectors to make room for: m + q, and those
            that the next step multiplies.
        basis_dtype: Str. What V and Q are kept in. Sums over their entries are
            float64 from panel to panel, and so are T and S.
        num_ends: Int. Ends of the spectrum that `restart` is told of.

    Attributes:
        unit: Float.
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
        size: int,
        *,
        capacity: int,
        basis_dtype: BasisDtype = "float64",
        num_ends: int = 1,
    ):
        self._multiply = multiply
        self.unit: float | None = None
        # V, Q, products
        self._rows = np.empty((capacity, size), basis_dtype)
        self._epsilon = float(np.finfo(basis_dtype).eps)
        self._projection = np.zeros((capacity, capacity))  # T
        self._coupling = np.zeros((0, 0))  # S, (q, m)
        self._starts = np.zeros((num_ends, 0, 0))  # in V and Q
        self.num_vectors = 0
        self.num_waiting = 0

    @property
    def num_free(self) -> int:
        """How many vectors the next step may multiply."""
        return len(self._rows) - self.num_vectors - self.num_waiting

    def wait(self, start: np.ndarray, *, is_random: bool = True) -> None:
        """Lets more vectors wait.

        Args:
            start: Array (b, P). What depends on the others is left out.
            is_random: Bool. Whether they are N(0, 1), so that what they have
                not seen tells something; they are remembered.
        """
        end = self.num_vectors + self.num_waiting
        self._rows[end : end + len(start)] = start
        overlap, gram = self._sweep(end, len(start))
        overlap, factor = self._orthonormalise(end, overlap, gram)
        self._grow(factor.shape[1])
        if is_random:
            new = np.hstack([overlap, factor]).T
            new = np.broadcast_to(new, (len(self._starts), *new.shape))
            self._starts = np.concatenate([self._starts, new], axis=2)

    def _grow(self, count: int) -> None:
        """The last of the rows wait; nothing that is known concerns them."""
        self.num_waiting += count
        self._coupling = np.vstack(
            [self._coupling, np.zeros((count, self.num_vectors))]
        )
        ends, _, number = self._starts.shape
        self._starts = np.concatenate(
            [self._starts, np.zeros((ends, count, number))], axis=1
        )

    def step(self, count: int) -> None:
        """Extends the basis by `count` waiting vectors, multiplying them."""
        size, end = self.num_vectors, self.num_vectors + self.num_waiting
        here = slice(size, size + count)
        product = self._multiply(self._rows[here].T).T
        if not self.unit:
            self.unit = _power_of_two(product)
        np.multiply(
            product,
            1.0 / (self.unit or 1.0),
            out=self._rows[end : end + count],
            casting="same_kind",
        )
        del product
        # By symmetry the overlap with V is S; the first pass need not measure
        # it. The second does, and finds what the product lacks in symmetry.
        overlap, gram = self._sweep(end, count, first=size)
        overlap[:, :size] = self._coupling[:count]
        overlap, factor = self._orthonormalise(end, overlap, gram)
        self.num_vectors += count
        self.num_waiting -= count
        known = overlap[:, : self.num_vectors]
        self._projection[here, : self.num_vectors] = known
        self._projection[: self.num_vectors, here] = known.T
        inner = known[:, here]
        self._projection[here, here] = (inner + inner.T) / 2
        self._coupling = np.hstack(
            [self._coupling[count:], overlap[:, self.num_vectors :].T]
        )
        self._grow(factor.shape[1])
        self._coupling[len(self._coupling) - factor.shape[1] :, here] = factor.T

    def ritz(self) -> Ritz:
        """The Ritz pairs of the basis as it is now."""
        size = self.num_vectors
        values, coordinates = np.linalg.eigh(self._projection[:size, :size])
        couplings = self._coupling @ coordinates
        starts = self._starts.copy()
        starts[:, :size] = coordinates.T @ starts[:, :size]
        residuals = np.linalg.norm(couplings, axis=0)
        return Ritz(values, residuals, coordinates, couplings, starts)

    def sort_waiting(self, directions: np.ndarray) -> None:
        """Rotates Q so that some directions come first in it.

        Args:
            directions: Array (q, k), in the basis Q: of Ritz pairs whose
                residuals shall become smaller the `couplings`.
        """
        size, end = self.num_vectors, self.num_vectors + self.num_waiting
        rotation = np.linalg.svd(directions)[0].T
        self._coupling = rotation @ self._coupling
        self._starts[:, size:] = rotation @ self._starts[:, size:]
        rotation = rotation.astype(self._rows.dtype)
        for panel in self._panels(rotation.size):
            panel[size:end] = rotation @ panel[size:end]

    def restart(
        self, ritz: Ritz, places: np.ndarray, levels: Sequence[float]
    ) -> None:
        """Keeps some Ritz pairs, and drops the rest of the basis.

        What start vectors have of a vector v that is dropped, `y vᵀ u` for an
        eigenvector u to λ, is `y sᵀ Qᵀ u / (λ − θ)`, s being the residual of
        v: for one λ they are known in the new basis. For a λ further out
        it is less.

        Args:
            ritz: `Ritz`, as the basis is now.
            places: Int array (k,), of those to keep.
            levels: Sequence of float, e of them: λ at each end of the spectrum.
        """
        size, end = self.num_vectors, self.num_vectors + self.num_waiting
        kept = len(places)
        dropped = np.delete(np.arange(size), places)
        waiting = self._starts[:, size:].copy()
        for level, starts, more in zip(
            levels, ritz.starts, waiting, strict=True
        ):
            apart = level - ritz.values[dropped]
            part = starts[dropped] / np.where(apart == 0, 1.0, apart)[:, None]
            more += ritz.couplings[:, dropped] @ part
        self._starts = np.concatenate([ritz.starts[:, places], waiting], axis=1)
        coordinates = ritz.coordinates[:, places]
        combine = coordinates.T.astype(self._rows.dtype)
        for panel in self._panels(coordinates.size):
            panel[:kept] = combine @ panel[:size]
            panel[kept : kept + end - size] = panel[size:end]
        self.num_vectors = kept
        self._projection[:kept, :kept] = np.diag(ritz.values[places])
        self._coupling = ritz.couplings[:, places]

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


def _power_of_two(product: np.ndarray) -> float | None:
    """Near the largest entry; None of zeros."""
    largest = max(float(np.max(product)), -float(np.min(product)))
    if not largest:
        return None
    # Within the range of float64, and so is its inverse.
    exponent = np.clip(np.frexp(largest)[1], -1000, 1000)
    return float(np.ldexp(1.0, exponent))
