"""Independent Lanczos runs whose products are taken together."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

BasisDtype = Literal["float64", "float32"]

# Of the size of the operator on the basis. What is left of a product off the
# basis is rounding below this, and the basis spans an invariant subspace.
_BREAKDOWN = 1e-13
# A pass that removes more than this part of a vector has left rounding of the
# removed part behind: it takes another ("twice is enough", Parlett 1998, 6.9).
_ONCE_IS_ENOUGH = 0.7
# Bytes of the basis that are read at once: what they are multiplied by stays in
# the cache.
_CHUNK_BYTES = 1 << 20


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
    dtype of the basis. The bases take `b · num_steps · P` numbers.

    Args:
        multiply: Callable, (P, b') → the symmetric A times it (P, b').
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
    runs = [_Run(start, num_steps, basis_dtype) for start in starts]
    # Used again at every step: new pages take as long as filling them.
    vectors, products = np.empty((2, *starts.shape))
    while going := [run for run in runs if run.going]:
        count = len(going)
        for row, run in zip(vectors, going, strict=False):
            row[...] = run.vector
        # A copy, as the steps write into it.
        products[:count] = multiply(vectors[:count].T).T
        for run, product in zip(going, products, strict=False):
            run.step(product)
    return [run.quadrature() for run in runs]


class _Run:
    """A V = V T + β q eᵀ, T tridiagonal, grown by one column per product."""

    def __init__(self, start: np.ndarray, num_steps: int, dtype: str):
        self._basis = np.empty((num_steps, start.size), dtype)
        self._basis[0] = start
        self._diagonal: list[float] = []
        self._below: list[float] = []
        self._noise: list[np.ndarray] = []
        self._largest = 0.0
        self.going = True

    @property
    def vector(self) -> np.ndarray:
        """The vector whose product is the next."""
        return self._basis[len(self._diagonal)]

    def step(self, product: np.ndarray) -> None:
        step = len(self._diagonal)
        diagonal = sum(
            float(part[0].astype(np.float64, copy=False) @ product[chunk])
            for chunk, part in self._chunks(step, step + 1)
        )
        neighbours = np.array([*self._below[-1:], diagonal])
        overlaps, square = np.zeros(step + 1), 0.0
        for chunk, part in self._chunks(0, step + 1):
            rest = product[chunk]
            beside = part[-len(neighbours) :]
            rest -= neighbours @ beside.astype(np.float64, copy=False)
            overlaps += part @ rest.astype(part.dtype, copy=False)
            square += float(rest @ rest)
        before, norm = np.sqrt(square), self._remove(product, overlaps)
        self._diagonal.append(diagonal + overlaps[step])
        self._noise.append(overlaps[: max(step - 1, 0)])
        self._largest = max(self._largest, abs(self._diagonal[-1]), norm)
        while norm < _ONCE_IS_ENOUGH * before and not self._exhausted(norm):
            before, norm = norm, self._remove(product, self._overlaps(product))
        self._below.append(norm)
        self.going = step + 1 < len(self._basis) and not self._exhausted(norm)
        if self.going:
            following = self._basis[step + 1]
            np.divide(product, norm, out=following, casting="same_kind")

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
            overlaps += part @ vector[chunk].astype(part.dtype, copy=False)
        return overlaps

    def _remove(self, vector: np.ndarray, overlaps: np.ndarray) -> float:
        """Takes the basis out of `vector`, in place; the norm that is left."""
        overlaps = overlaps.astype(self._basis.dtype, copy=False)
        square = 0.0
        for chunk, part in self._chunks(0, len(overlaps)):
            rest = vector[chunk]
            rest -= overlaps @ part
            square += float(rest @ rest)
        return float(np.sqrt(square))

    def _chunks(
        self, first: int, end: int
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Columns of some vectors of the basis."""
        itemsize = self._basis.dtype.itemsize
        length = max(1, _CHUNK_BYTES // (itemsize * (end - first)))
        for start in range(0, self._basis.shape[1], length):
            chunk = slice(start, start + length)
            yield chunk, self._basis[first:end, chunk]
