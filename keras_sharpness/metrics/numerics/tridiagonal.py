"""Independent Lanczos runs whose products are taken together."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from keras_sharpness.metrics.flat_arrays import chunks
from keras_sharpness.metrics.numerics.basis import BasisDtype

# Of the size of the operator on the basis. What is left of a product off the
# basis is rounding below this, and the basis spans an invariant subspace.
_BREAKDOWN = 1e-13
# A pass that removes more than this part of a vector has left rounding of the
# removed part behind: it takes another ("twice is enough", Parlett 1998, 6.9).
_ONCE_IS_ENOUGH = 0.7
# Bytes of the basis that are read at once: what they are multiplied by stays in
# the cache.
_CHUNK_BYTES = 1 << 20
# OpenBLAS shares longer dot products among threads, which then keep spinning on
# the cores that the next product of the operator needs: a sixth of its time.
_CHUNK_COLUMNS = 8192


@dataclasses.dataclass(frozen=True)
class GaussQuadrature:
    """The spectral measure of a vector, as points with weights.

    `qᵀ f(A) q ≈ Σₖ weightₖ f(nodeₖ)`, exact where f is a polynomial of degree
    below 2 m, and for every f where the run ended at an invariant subspace.

    Attributes:
        nodes: Array (m,). Ritz values θ of A, ascending.
        weights: Array (m,). The squares of the first components of their
            vectors; they add up to 1.
        residuals: Array (m,). ‖A u − θ u‖ of each Ritz vector u, the standard
            deviation of the spectral measure of u, whose mean is θ.
        mean: Float. qᵀ A q, from the first product.
        noise: Float. Root mean square of what `qᵢᵀ A qⱼ` was where it is zero
            for an exact product with a symmetric A, that is for i < j − 1.
    """

    nodes: np.ndarray
    weights: np.ndarray
    residuals: np.ndarray
    mean: float
    noise: float


def gauss_quadratures(
    multiply: Callable[[np.ndarray], np.ndarray],
    starts: np.ndarray,
    *,
    num_steps: int,
    basis_dtype: BasisDtype = "float64",
) -> list[GaussQuadrature]:
    """The quadratures of several vectors by Lanczos, a run for each.

    The runs are independent, unlike block Lanczos; only their products are
    taken as one block. Each product is freed of the two vectors before it,
    then in full of all earlier ones, twice where once is not enough, in the
    dtype of the basis. The bases, with a row for what is left of the last
    product, take `b · (num_steps + 1) · P` numbers.

    Args:
        multiply: Callable, (P, b') in the dtype of the basis → the symmetric A
            times it (P, b').
        starts: Array (b, P). The vectors, of norm 1.
        num_steps: Int. Products for each vector, fewer at an invariant
            subspace.
        basis_dtype: Str. What the vectors are kept in: `"float64"`, or
            `"float32"` for half the memory.

    Returns:
        List of b `GaussQuadrature`.

    Reference:
        Golub and Welsch 1969, https://doi.org/10.1090/S0025-5718-69-99647-1.
    """
    # Step by step, so that a product takes a row of them as it is.
    bases = np.empty((num_steps + 1, *starts.shape), basis_dtype)
    bases[0] = starts
    runs = [_Run(bases[:, index]) for index in range(len(starts))]
    for step in range(num_steps):
        going = [index for index, run in enumerate(runs) if run.going]
        if not going:
            break
        rows = bases[step]
        if len(going) < len(runs):
            rows = rows[going]
        for index, product in zip(going, multiply(rows.T).T, strict=True):
            runs[index].step(product)
        # Free before the next ones are made, which may go to the same place.
        del product
    return [run.quadrature() for run in runs]


class _Run:
    """A V = V T + β q eᵀ, T tridiagonal, grown by one column per product."""

    def __init__(self, basis: np.ndarray):
        self._basis = basis
        self._diagonal: list[float] = []
        self._below: list[float] = []
        self._noise: list[np.ndarray] = []
        self._largest = 0.0
        self.going = True

    def step(self, product: np.ndarray) -> None:
        step = len(self._diagonal)
        diagonal = sum(
            float(part[0].astype(np.float64, copy=False) @ product[chunk])
            for chunk, part in self._chunks(step, step + 1)
        )
        neighbours = np.array([*self._below[-1:], diagonal])
        # What is left of the product, and in the end the vector after it.
        following = self._basis[step + 1]
        overlaps, square = np.zeros(step + 1), 0.0
        for chunk, part in self._chunks(0, step + 1):
            beside = part[-len(neighbours) :].astype(np.float64, copy=False)
            rest = product[chunk] - neighbours @ beside
            square += float(rest @ rest)
            following[chunk] = rest
            overlaps += part @ following[chunk]
        before, norm = np.sqrt(square), self._remove(following, overlaps)
        self._diagonal.append(diagonal + overlaps[step])
        self._noise.append(overlaps[: max(step - 1, 0)])
        self._largest = max(self._largest, abs(self._diagonal[-1]), norm)
        while norm < _ONCE_IS_ENOUGH * before and not self._exhausted(norm):
            overlaps = self._overlaps(following)
            before, norm = norm, self._remove(following, overlaps)
        self._below.append(norm)
        self.going = not self._exhausted(norm)
        if self.going:
            np.divide(following, norm, out=following)

    def quadrature(self) -> GaussQuadrature:
        below = self._below[:-1]
        projection = (
            np.diag(self._diagonal) + np.diag(below, -1) + np.diag(below, 1)
        )
        nodes, vectors = np.linalg.eigh(projection)
        noise = np.concatenate(self._noise)
        return GaussQuadrature(
            nodes=nodes,
            weights=vectors[0] ** 2,
            residuals=self._below[-1] * np.abs(vectors[-1]),
            mean=self._diagonal[0],
            noise=float(np.sqrt(np.mean(noise**2))) if noise.size else 0.0,
        )

    def _exhausted(self, norm: float) -> bool:
        return norm <= _BREAKDOWN * self._largest

    def _overlaps(self, vector: np.ndarray) -> np.ndarray:
        """Those with the basis so far."""
        overlaps = np.zeros(len(self._diagonal))
        for chunk, part in self._chunks(0, len(overlaps)):
            overlaps += part @ vector[chunk]
        return overlaps

    def _remove(self, vector: np.ndarray, overlaps: np.ndarray) -> float:
        """Takes the basis out of `vector`, in place; the norm that is left."""
        overlaps = overlaps.astype(vector.dtype, copy=False)
        square = 0.0
        for chunk, part in self._chunks(0, len(overlaps)):
            rest = vector[chunk]
            rest -= overlaps @ part
            rest = rest.astype(np.float64, copy=False)
            square += float(rest @ rest)
        return float(np.sqrt(square))

    def _chunks(
        self, first: int, end: int
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Columns of some vectors of the basis."""
        itemsize = self._basis.dtype.itemsize
        length = _CHUNK_BYTES // (itemsize * (end - first))
        length = max(1, min(_CHUNK_COLUMNS, length))
        for chunk in chunks(0, self._basis.shape[1], length):
            yield chunk, self._basis[first:end, chunk]
