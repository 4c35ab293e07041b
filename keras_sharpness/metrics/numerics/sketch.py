"""An orthonormal basis of what an operator makes of random probes."""

from collections.abc import Callable

import numpy as np

from keras_sharpness.metrics.flat_arrays import chunks

# Directions smaller than this against the largest image are the rounding of
# float64 products; they would cost a product each and explain nothing.
_NEGLIGIBLE = 1e-12
# A Gram matrix knows singular values down to √eps of the largest; smaller ones
# wait until the larger are projected out.
_RESOLVED = 1e-4
# Rows of eight vectors worked on at once: they stay in the processor's cache,
# and BLAS does not wait for other threads over so small a product.
_SHORT = 4096


class Sketch:
    """A basis Q of the range of A on random probes, and its images A Q.

    The range holds the eigenvectors of large eigenvalues nearly, so that
    little is left of A on the complement, (I − QQᵀ) A (I − QQᵀ), for random
    probes to estimate; the rest of A is known exactly from A Q.

    Args:
        multiply: Callable, (P, b) → A times it (P, b). A is symmetric.
        size: Int. P.

    Attributes:
        rank: Int. r, the number of vectors in the basis.

    Reference:
        Halko, Martinsson and Tropp 2011, https://arxiv.org/abs/0909.4061.
    """

    def __init__(self, multiply: Callable[[np.ndarray], np.ndarray], size: int):
        self.rank = 0
        self._multiply = multiply
        self._size = size
        self._basis: list[np.ndarray] = []  # (b, P) each
        self._images: list[np.ndarray] = []  # (b, P) each
        self._largest = 0.0

    def extend(self, block: np.ndarray) -> np.ndarray:
        """Takes more vectors into the basis, at one product per new direction.

        Args:
            block: Array (P, b), A times b random probes.

        Returns:
            Array (r, b) of coordinates: `block` is the basis times it.
        """
        vectors = np.ascontiguousarray(block.T)
        norms = np.linalg.norm(vectors, axis=1)
        self._largest = max(self._largest, *norms)
        # Matrix products only: an orthogonal factorisation of a tall block
        # takes longer than the products with A. Each round takes in what the
        # Gram matrix resolves; one is enough unless the block is nearly of
        # lower rank.
        rest, new = vectors, np.zeros(1, bool)
        while not np.all(new):
            rest = self._off_basis(rest)
            squares, turn = np.linalg.eigh(rest @ rest.T)
            if not squares[-1] > (_NEGLIGIBLE * self._largest) ** 2:
                break
            new = squares > _RESOLVED**2 * squares[-1]
            # Twice is enough: the first pass leaves what rounding makes of
            # the large directions in the small ones.
            added = (turn[:, new] / np.sqrt(squares[new])).T @ rest
            added = self._off_basis(added)
            squares, turn = np.linalg.eigh(added @ added.T)
            added = (turn / np.sqrt(squares)).T @ added
            self._basis.append(added)
            self.rank += len(added)
        for added in self._basis[len(self._images) :]:
            self._images.append(np.ascontiguousarray(self._multiply(added.T).T))
        return np.concatenate(
            [np.empty((0, len(vectors))), *(q @ vectors.T for q in self._basis)]
        )

    def rows(self, part: slice) -> tuple[np.ndarray, np.ndarray]:
        """Some rows of Q and of A Q, both as (r, rows)."""
        empty = np.empty((0, len(range(*part.indices(self._size)))))
        return (
            np.concatenate([empty, *(b[:, part] for b in self._basis)]),
            np.concatenate([empty, *(b[:, part] for b in self._images)]),
        )

    def diagonal(self) -> np.ndarray:
        """Diagonal (P,) of what is known, PA + AP − PAP with P = QQᵀ."""
        known = np.zeros((self.rank, self.rank))
        for part in chunks(0, self._size):
            basis, images = self.rows(part)
            known += basis @ images.T
        total = np.empty(self._size)
        for part in chunks(0, self._size):
            basis, images = self.rows(part)
            total[part] = np.sum(basis * (2.0 * images - known @ basis), axis=0)
        return total

    def residual(self, block: np.ndarray) -> np.ndarray:
        """(I − QQᵀ) A (I − QQᵀ) times a block (P, b), at b products."""
        if not self._basis:
            return self._multiply(block)
        outside = self._off_basis(np.ascontiguousarray(block.T))
        image = np.ascontiguousarray(self._multiply(outside.T).T)
        return self._off_basis(image).T

    def _off_basis(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (b, P) less their parts along the basis."""
        if not self._basis:
            return vectors
        overlaps = [np.zeros((len(vectors), len(q))) for q in self._basis]
        for part in chunks(0, self._size, _SHORT):
            for overlap, q in zip(overlaps, self._basis, strict=True):
                overlap += vectors[:, part] @ q[:, part].T
        rest = np.empty_like(vectors)
        for part in chunks(0, self._size, _SHORT):
            along = sum(
                overlap @ q[:, part]
                for overlap, q in zip(overlaps, self._basis, strict=True)
            )
            np.subtract(vectors[:, part], along, out=rest[:, part])
        return rest
