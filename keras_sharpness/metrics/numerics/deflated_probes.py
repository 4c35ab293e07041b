"""Probes of a symmetric operator, with or without its range taken out."""

from collections.abc import Callable

import numpy as np

from keras_sharpness.metrics.flat_arrays import MAX_BLOCK
from keras_sharpness.metrics.numerics.probes import rademacher
from keras_sharpness.metrics.numerics.sketch import Sketch


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
