"""Products with an operator, counted and timed."""

import time
from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator


class Products:
    """Multiplies blocks of vectors by an operator and keeps the cost.

    Args:
        operator: `LinearOperator` of shape (P, P).
        advance: Callable without arguments, called once per product: that of
            `keras_sharpness.progress.track`.

    Attributes:
        size: Int. P.
        count: Int. Products so far; a block of b vectors counts b.
        seconds: Float. Time spent in them.

    Raises:
        FloatingPointError: When called, if a product is not finite.

    Example:

    ```python
    import numpy as np
    from keras_sharpness.metrics.numerics.products import Products
    from scipy.sparse.linalg import aslinearoperator

    multiply = Products(aslinearoperator(np.diag([3.0, 1.0])))
    assert np.array_equal(multiply(np.eye(2)), np.diag([3.0, 1.0]))
    assert multiply.count == 2
    ```
    """

    def __init__(
        self,
        operator: LinearOperator,
        advance: Callable[[], None] | None = None,
    ):
        self.size = operator.shape[0]
        self.count = 0
        self.seconds = 0.0
        self._operator = operator
        self._advance = advance

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """The operator times a block (P, b), as (P, b)."""
        before = time.perf_counter()
        product = self._operator @ block
        self.seconds += time.perf_counter() - before
        # NaN and infinity survive a sum, which needs no array of its own. What
        # overflows only in the sum is finite.
        with np.errstate(invalid="ignore", over="ignore"):
            total = np.sum(product)
        if not np.isfinite(total) and not np.all(np.isfinite(product)):
            raise FloatingPointError(
                "A product of the operator holds NaN or infinity. Are the "
                "weights and the data finite, and the loss twice "
                "differentiable there?"
            )
        for _ in range(block.shape[1]):
            self.count += 1
            if self._advance is not None:
                self._advance()
        return product
