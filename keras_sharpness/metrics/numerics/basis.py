"""Where the vectors of a Lanczos basis live, and in what numbers."""

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import keras
import numpy as np
import psutil

from keras_sharpness.metrics.flat_arrays import MAX_BLOCK

BasisDtype = Literal["float64", "float32"]
# The distance from 1 to the next number.
EPSILON = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
# Bytes in one panel of the basis, which stays in the cache while it is used.
_PANEL = 2**19
# Multiplications in one matrix product on a panel. OpenBLAS splits larger ones
# among threads, which wait for each other thousands of times a step: ten times
# slower wherever anything else runs.
_LARGEST_PRODUCT = 2**18


class Basis(Protocol):
    """Vectors of P numbers in a row, and all that Lanczos does with them.

    Blocks of vectors go in and out as columns (P, b), of the kind that the
    operator multiplies; NumPy arrays go in everywhere. What is said about
    vectors, coefficients and dot products, are small float64 arrays.

    Attributes:
        epsilon: Float. Machine epsilon of the vectors.
        capacity: Int. The most vectors there is room for; `len` says how many
            there are.
    """

    epsilon: float
    capacity: int

    def __len__(self) -> int:
        """How many vectors there are."""

    def unit(self, vectors: Any) -> float | None:
        """The power of two near the largest entry of vectors (P, b).

        It and its inverse are within the range of the vectors' numbers.

        Args:
            vectors: Block (P, b).

        Returns:
            Float, or None of zeros.
        """

    def append(self, vectors: Any, unit: float = 1.0) -> None:
        """Adds vectors behind the others.

        Args:
            vectors: Block (P, b).
            unit: Float. What they are divided by, a power of two.
        """

    def block(self, start: int, count: int) -> Any:
        """Some of the vectors, for the operator.

        Args:
            start: Int.
            count: Int, b.

        Returns:
            Block (P, b), not to be changed.
        """

    def dot(self, count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Dot products of the last vectors.

        Args:
            count: Int. How many are the last, b.
            first: Int. Of those before them the first to count.

        Returns:
            Array (b, n) of those with the n before, 0 up to the first; array
            (b, b) of those among each other, the squares of their norms on the
            diagonal.
        """

    def subtract(
        self, combination: np.ndarray, mix: np.ndarray, *, measure: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """`last ← mix (last − combination · before)`, then `dot`.

        Args:
            combination: Array (b, n).
            mix: Array (c, b), c ≤ b.
            measure: Bool. Whether anybody asks for the dot products.

        Returns:
            As `dot`, of the c vectors; 0 unless measured.
        """

    def rotate(self, start: int, matrix: np.ndarray) -> None:
        """Puts combinations of some vectors in their place.

        Args:
            start: Int.
            matrix: Array (c, b), c ≤ b: vectors from `start` to `start + b`
                become c. What is behind them moves up.
        """

    def combine(self, coordinates: np.ndarray) -> np.ndarray:
        """Combinations of the first vectors.

        Args:
            coordinates: Array (m, k).

        Returns:
            Array (P, k), float64.
        """


class HostBasis:
    """Vectors in the memory of the host: rows of one NumPy array.

    Each operation is a matrix product on narrow panels of the array, which it
    reads once and changes in place; nothing as long as a vector is allocated.
    Sums over the entries are float64 from panel to panel.

    Args:
        size: Int. P.
        capacity: Int.
        dtype: Str. `"float64"` or `"float32"`.

    Example:

    ```python
    import numpy as np
    from keras_sharpness.metrics.numerics.basis import HostBasis

    basis = HostBasis(3, capacity=2)
    basis.append(np.array([[3.0, 1.0], [4.0, 0.0], [0.0, 0.0]]))
    overlap, squares = basis.dot(1)
    assert overlap == [[3.0]] and squares == [[1.0]]
    ```
    """

    def __init__(
        self, size: int, capacity: int, *, dtype: BasisDtype = "float64"
    ):
        self.capacity = capacity
        self.epsilon = float(np.finfo(dtype).eps)
        self._rows = np.empty((capacity, size), dtype)
        self._count = 0

    def __len__(self) -> int:
        """See `Basis`."""
        return self._count

    def unit(self, vectors: np.ndarray) -> float | None:
        """See `Basis`."""
        return _power_of_two(
            max(float(np.max(vectors)), -float(np.min(vectors))), 1000
        )

    def append(self, vectors: np.ndarray, unit: float = 1.0) -> None:
        """See `Basis`."""
        end = self._count + vectors.shape[1]
        np.multiply(
            vectors.T,
            1.0 / unit,
            out=self._rows[self._count : end],
            casting="same_kind",
        )
        self._count = end

    def block(self, start: int, count: int) -> np.ndarray:
        """See `Basis`."""
        return self._rows[start : start + count].T

    def dot(self, count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """See `Basis`."""
        end = self._count - count
        overlap, gram = np.zeros((count, end)), np.zeros((count, count))
        for panel in self._panels(count * self._count):
            rows = panel[end : self._count]
            overlap[:, first:] += rows @ panel[first:end].T
            gram += rows @ rows.T
        return overlap, gram

    def subtract(
        self, combination: np.ndarray, mix: np.ndarray, *, measure: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Basis`."""
        size, count = mix.shape
        end = self._count - count
        used = _first_used(combination)
        combination = combination[:, used:].astype(self._rows.dtype)
        mix = mix.astype(self._rows.dtype)
        overlap, gram = np.zeros((size, end)), np.zeros((size, size))
        for panel in self._panels(count * self._count):
            before = panel[:end]
            rows = panel[end : self._count] - combination @ before[used:]
            rows = mix @ rows
            panel[end : end + size] = rows
            if measure:
                overlap += rows @ before.T
                gram += rows @ rows.T
        self._count = end + size
        return overlap, gram

    def rotate(self, start: int, matrix: np.ndarray) -> None:
        """See `Basis`."""
        size, count = matrix.shape
        stop = start + count
        behind = self._count - stop
        matrix = matrix.astype(self._rows.dtype)
        for panel in self._panels(matrix.size):
            panel[start : start + size] = matrix @ panel[start:stop]
            panel[start + size : start + size + behind] = panel[
                stop : self._count
            ]
        self._count += size - count

    def combine(self, coordinates: np.ndarray) -> np.ndarray:
        """See `Basis`."""
        count, size = coordinates.shape
        total = np.empty((size, self._rows.shape[1]))
        column = 0
        for panel in self._panels(coordinates.size):
            part = coordinates.T @ panel[:count]
            total[:, column : column + part.shape[1]] = part
            column += part.shape[1]
        return total.T

    def _panels(self, height: int) -> Iterator[np.ndarray]:
        """Columns of all rows, few enough to multiply by `height` numbers."""
        column = len(self._rows) * self._rows.itemsize
        width = min(_PANEL // column, _LARGEST_PRODUCT // max(height, 1))
        width = max(64, width)
        for start in range(0, self._rows.shape[1], width):
            yield self._rows[:, start : start + width]


class DeviceBasis:
    """Vectors that stay where the backend computes: tensors (P,).

    Dot products are sums of element-wise products: the matrix units of
    accelerators round the factors of a matrix product to as little as eight
    bits. All of one call come to the host together.

    Args:
        capacity: Int.
        dtype: Str. That of the vectors.

    Example:

    ```python
    import keras
    from keras_sharpness.metrics.numerics.basis import DeviceBasis

    basis = DeviceBasis(capacity=2)
    basis.append(keras.ops.array([[3.0, 1.0], [4.0, 0.0], [0.0, 0.0]]))
    overlap, squares = basis.dot(1)
    assert overlap == [[3.0]] and squares == [[1.0]]
    ```
    """

    def __init__(self, capacity: int, *, dtype: str = "float32"):
        self.capacity = capacity
        self.epsilon = EPSILON[dtype]
        self._dtype = dtype
        self._vectors: list[Any] = []

    def __len__(self) -> int:
        """See `Basis`."""
        return len(self._vectors)

    def unit(self, vectors: Any) -> float | None:
        """See `Basis`."""
        largest = float(keras.ops.max(keras.ops.absolute(vectors)))
        return _power_of_two(largest, 1000 if self._dtype == "float64" else 120)

    def append(self, vectors: Any, unit: float = 1.0) -> None:
        """See `Basis`."""
        if unit != 1.0:
            vectors = vectors * (1.0 / unit)
        vectors = keras.ops.convert_to_tensor(vectors, self._dtype)
        self._vectors.extend(keras.ops.unstack(vectors, axis=1))

    def block(self, start: int, count: int) -> Any:
        """See `Basis`."""
        return keras.ops.stack(self._vectors[start : start + count], axis=1)

    def dot(self, count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """See `Basis`."""
        end = len(self._vectors) - count
        last = self._vectors[end:]
        products = keras.ops.convert_to_numpy(
            keras.ops.stack(
                [
                    keras.ops.sum(vector * other)
                    for vector in last
                    for other in self._vectors[first:]
                ]
            )
        ).reshape(count, -1)
        overlap = np.zeros((count, end))
        overlap[:, first:] = products[:, : end - first]
        return overlap, products[:, end - first :].astype(np.float64)

    def subtract(
        self, combination: np.ndarray, mix: np.ndarray, *, measure: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Basis`."""
        size, count = mix.shape
        end = len(self._vectors) - count
        before, last = self._vectors[:end], self._vectors[end:]
        rest = [
            _combination([1.0, *-coefficients], [vector, *before])
            for coefficients, vector in zip(combination, last, strict=True)
        ]
        self._vectors[end:] = [_combination(row, rest) for row in mix]
        if measure and size:
            return self.dot(size)
        return np.zeros((size, end)), np.zeros((size, size))

    def rotate(self, start: int, matrix: np.ndarray) -> None:
        """See `Basis`."""
        stop = start + matrix.shape[1]
        vectors = self._vectors[start:stop]
        self._vectors[start:stop] = [
            _combination(row, vectors) for row in matrix
        ]

    def combine(self, coordinates: np.ndarray) -> np.ndarray:
        """See `Basis`."""
        vectors = self._vectors[: len(coordinates)]
        columns = [
            keras.ops.convert_to_numpy(_combination(column, vectors))
            for column in coordinates.T
        ]
        return np.stack(columns).astype(np.float64).T


def _combination(coefficients: Any, vectors: list[Any]) -> Any:
    total = None
    for coefficient, vector in zip(coefficients, vectors, strict=True):
        if coefficient:
            part = vector if coefficient == 1 else float(coefficient) * vector
            total = part if total is None else total + part
    return keras.ops.zeros_like(vectors[0]) if total is None else total


def _first_used(combination: np.ndarray) -> int:
    # Lanczos takes away three blocks, unless there was a restart.
    return int(np.argmax(np.append(combination.any(axis=0), True)))


def _power_of_two(largest: float, limit: int) -> float | None:
    if not largest:
        return None
    exponent = np.clip(np.frexp(largest)[1], -limit, limit)
    return float(np.ldexp(1.0, exponent))


def choose_group_size(
    num_probes: int,
    num_steps: int,
    size: int,
    dtype: str,
    max_memory: int | None = None,
) -> int:
    """How many probes advance together, in groups of about one size.

    `bytes = group · (num_steps + 1) · P · itemsize` must not exceed
    `max_memory`: the vectors, and what is left of the last product.

    Args:
        num_probes: Int. Probes in all.
        num_steps: Int. Products of a probe.
        size: Int. P.
        dtype: Str. Of the basis.
        max_memory: Int. Bytes. By default half of the machine's memory; all of
            the machine's, not what is free of it: the number of vectors in a
            product changes its last bits, and the same call shall return the
            same.

    Returns:
        Int, at least 1 and at most what a product takes at once.

    Raises:
        ValueError: If not even one basis fits.
    """
    one = (num_steps + 1) * np.dtype(dtype).itemsize * size
    memory = max_memory
    if memory is None:
        memory = psutil.virtual_memory().total // 2
    most = min(MAX_BLOCK, num_probes, memory // one)
    if most < 1:
        raise ValueError(
            f"The basis of one probe takes {one / 1e9:.3g} GB for "
            f"num_steps={num_steps} and {size} weights in {dtype}, and "
            f"{memory / 1e9:.3g} GB are allowed. Pass fewer `num_steps`, "
            "`basis_dtype='float32'` or a larger `max_memory`."
        )
    # Even groups: each size of a block is compiled for itself.
    return -(-num_probes // -(-num_probes // most))
