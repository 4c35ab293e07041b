"""Random probes of an operator, with or without its range taken out."""

from collections.abc import Callable

import numpy as np

from keras_sharpness.metrics.flat_arrays import MAX_BLOCK, chunks

# A multiple of the bits in a word.
_PIECE = 1 << 14
# Directions smaller than this against the largest image are the rounding of
# float64 products; they would cost a product each and explain nothing.
_NEGLIGIBLE = 1e-12
# A Gram matrix knows singular values down to √eps of the largest; smaller ones
# wait until the larger are projected out.
_RESOLVED = 1e-4
# Rows of eight vectors worked on at once: they stay in the processor's cache,
# and BLAS does not wait for other threads over so small a product.
_SHORT = 4096


def rademacher(
    size: int, *, count: int, first: int = 0, seed: int = 0
) -> np.ndarray:
    """Probes whose entries are −1 or 1 with equal probability.

    For such a probe v, E[v vᵀ] = I, so that E[vᵀ A v] = tr A; and vᵢ² = 1, so
    that the diagonal of A adds no variance. Each probe has random numbers of
    its own: it is the same in blocks of any size, on every platform and with
    every version of NumPy, and asking for more probes leaves the first ones as
    they were.

    Args:
        size: Int. P, the length of a probe.
        count: Int. How many.
        first: Int. Number of the first one in the sequence.
        seed: Int, not negative. Which sequence.

    Returns:
        Array (P, count), float64, each probe contiguous in memory.

    Example:

    ```python
    import numpy as np
    from keras_sharpness.metrics.numerics.probes import rademacher

    block = rademacher(1000, count=4, seed=7)
    assert np.all(np.abs(block) == 1.0)
    third = rademacher(1000, count=1, first=2, seed=7)
    assert np.array_equal(block[:, 2:3], third)
    ```

    Reference:
        Hutchinson 1990, https://doi.org/10.1080/03610919008812866.
    """
    probes = np.empty((count, size))
    for row, number in zip(probes, range(first, first + count), strict=True):
        # Raw bits are NumPy's only promise across versions and platforms.
        words = np.random.PCG64((seed, number)).random_raw(-(-size // 64))
        octets = words.astype("<u8").view(np.uint8)
        # In pieces that stay in the cache until they are signs.
        for part in chunks(0, size, _PIECE):
            piece = row[part]
            bits = octets[part.start // 8 : -(-part.stop // 8)]
            piece[:] = np.unpackbits(bits, count=len(piece))
            piece *= 2.0
            piece -= 1.0
    return probes.T


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


class DeflatedProbes:
    """Independent unbiased estimates of a diagonal, from one probe each.

    A = (PA + AP − PAP) + R with P = QQᵀ the projector on what A makes of the
    first k probes and R = (I − P) A (I − P). The diagonal of the first part is
    known exactly at 2 k products; each further probe v estimates that of R by
    v ∘ (R v) at one. With k = 0 this is Hutchinson's estimate of A itself.

    Args:
        multiply: Callable, (P, b) → A times it (P, b). A is symmetric.
        size: Int. P.
        sketch_size: Int. k.
        seed: Int. For the probes.

    Attributes:
        exact: Array (P,). Diagonal of the part that is known.

    Reference:
        Meyer, Musco, Musco and Woodruff 2021,
        https://arxiv.org/abs/2010.09649, for the trace; Baston and Nakatsukasa
        2022, https://arxiv.org/abs/2201.10684, for the diagonal. The symmetric
        form, with R projected on both sides, has less variance.
    """

    def __init__(
        self,
        multiply: Callable[[np.ndarray], np.ndarray],
        size: int,
        *,
        sketch_size: int,
        seed: int,
    ):
        self._size = size
        self._seed = seed
        self._taken = 0
        self._sketch = Sketch(multiply, size)
        while self._taken < sketch_size:
            count = min(MAX_BLOCK, sketch_size - self._taken)
            self._sketch.extend(multiply(self._next(count)))
        self.exact = self._sketch.diagonal()

    def terms(self, count: int) -> np.ndarray:
        """Products v ∘ (R v) for the next probes v.

        Args:
            count: Int. How many probes.

        Returns:
            Array (P, count). The sum of a column over some rows estimates the
            trace of R over them.
        """
        block = self._next(count)
        # In place: new pages take longer than the multiplication.
        block *= self._sketch.residual(block)
        return block

    def _next(self, count: int) -> np.ndarray:
        block = rademacher(
            self._size, count=count, first=self._taken, seed=self._seed
        )
        self._taken += count
        return block
