"""Block Lanczos in bounded memory: full reorthogonalisation, thick restart."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_sharpness.metrics.numerics.basis import Basis

# In units of rounding: it leaves dot products of unit vectors below this at any
# length that fits in memory; eigenvalues feel the square of it.
_ORTHOGONAL = 500
# Two passes are the rule; more where a block is nearly dependent. Each gains
# at least half of the digits.
_MAX_PASSES = 5


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
    eigenvalue appears as a ghost. V, then Q, are the vectors of a `Basis`,
    which knows where they live; a step reads it twice.

    A is measured in units of a power of two near the largest entry of its first
    product, so that squares of neither tiny nor huge matrices leave the range
    of the basis. Multiply values and residuals by `unit`.

    Args:
        multiply: Callable, a block of the basis (P, b) → A times it.
        basis: Empty `Basis`, with room for m + q vectors, and for those that
            the next step multiplies. What V and Q are kept in; T and S are
            float64.
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
        multiply: Callable[[Any], Any],
        basis: Basis,
        *,
        num_ends: int = 1,
    ):
        self._multiply = multiply
        self._basis = basis  # V, Q, products
        self.unit: float | None = None
        capacity = basis.capacity
        self._projection = np.zeros((capacity, capacity))  # T
        self._coupling = np.zeros((0, 0))  # S, (q, m)
        self._starts = np.zeros((num_ends, 0, 0))  # in V and Q
        self.num_vectors = 0
        self.num_waiting = 0

    @property
    def num_free(self) -> int:
        """How many vectors the next step may multiply."""
        return self._basis.capacity - self.num_vectors - self.num_waiting

    def wait(self, start: Any, *, is_random: bool = True) -> None:
        """Lets more vectors wait.

        Args:
            start: Block (P, b). What depends on the others is left out.
            is_random: Bool. Whether they are N(0, 1), so that what they have
                not seen tells something; they are remembered.
        """
        self._basis.append(start)
        overlap, factor = self._orthonormalise(*self._basis.dot(start.shape[1]))
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
        size = self.num_vectors
        here = slice(size, size + count)
        product = self._multiply(self._basis.block(size, count))
        if not self.unit:
            self.unit = self._basis.unit(product)
        self._basis.append(product, self.unit or 1.0)
        del product
        # By symmetry the overlap with V is S; the first pass need not measure
        # it. The second does, and finds what the product lacks in symmetry.
        overlap, gram = self._basis.dot(count, first=size)
        overlap[:, :size] = self._coupling[:count]
        overlap, factor = self._orthonormalise(overlap, gram)
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
        size = self.num_vectors
        rotation = np.linalg.svd(directions)[0].T
        self._coupling = rotation @ self._coupling
        self._starts[:, size:] = rotation @ self._starts[:, size:]
        self._basis.rotate(size, rotation)

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
        size, kept = self.num_vectors, len(places)
        dropped = np.delete(np.arange(size), places)
        waiting = self._starts[:, size:].copy()
        for level, starts, more in zip(
            levels, ritz.starts, waiting, strict=True
        ):
            apart = level - ritz.values[dropped]
            part = starts[dropped] / np.where(apart == 0, 1.0, apart)[:, None]
            more += ritz.couplings[:, dropped] @ part
        self._starts = np.concatenate([ritz.starts[:, places], waiting], axis=1)
        self._basis.rotate(0, ritz.coordinates[:, places].T)
        self.num_vectors = kept
        self._projection[:kept, :kept] = np.diag(ritz.values[places])
        self._coupling = ritz.couplings[:, places]

    def vectors(self, coordinates: np.ndarray) -> np.ndarray:
        """Combinations of the basis.

        Args:
            coordinates: Array (m, k).

        Returns:
            Array (P, k), float64.
        """
        return self._basis.combine(coordinates)

    def _orthonormalise(
        self, overlap: np.ndarray, gram: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Makes the last b vectors orthonormal to all and to each other.

        Args:
            overlap: Array (b, n). Of these with those before, as far as it is
                known.
            gram: Array (b, b). Of these among each other.

        Returns:
            Overlap (b, n) and factor (b, r), r ≤ b the rank that was found:
            `last before = overlap · others + factor · last after`.
        """
        epsilon = self._basis.epsilon
        total = overlap
        norms = np.sqrt(np.diag(gram))
        kept = norms > 0.0
        mix = np.diag(1 / np.where(kept, norms, 1.0))[kept]
        factor = np.diag(norms)[:, kept]
        # A row's rounding errors relative to itself. They grow as most of it
        # cancels; a row that consists of them is no direction of A.
        noise = np.full(len(mix), epsilon)
        measure = True
        for _ in range(_MAX_PASSES):
            overlap, gram = self._basis.subtract(overlap, mix, measure=measure)
            if not measure:
                break
            largest = np.max(np.abs(overlap), initial=0.0)
            skew = np.max(np.abs(gram - np.eye(len(gram))), initial=0.0)
            if max(largest, skew) < _ORTHOGONAL * epsilon:
                break
            total = total + factor @ overlap
            gram = gram - overlap @ overlap.T
            norms = np.sqrt(np.maximum(np.diag(gram), 0.0))
            kept = noise < 0.1 * norms
            norms, noise = norms[kept], noise[kept] / norms[kept]
            gram = gram[np.ix_(kept, kept)] / np.outer(norms, norms)
            values, vectors = np.linalg.eigh(gram)
            # Below this a Gram matrix does not tell; the next pass does.
            roots = np.sqrt(np.maximum(values, epsilon))
            mix = np.zeros((len(roots), len(kept)))
            mix[:, kept] = (vectors / roots).T / norms
            factor = (factor[:, kept] * norms) @ (vectors * roots)
            noise = np.sqrt(noise**2 @ vectors**2) / roots
            # Little cancels from here on: orthogonal without another look.
            measure = largest > 0.1 * np.min(norms, initial=1.0) or np.any(
                roots < 0.1
            )
        return total, factor
