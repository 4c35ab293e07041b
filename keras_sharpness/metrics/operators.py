"""Curvature matrices of an objective as SciPy linear operators."""

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness.metrics.objective import Objective


class HessianOperator(LinearOperator):
    """The Hessian ∇²f(w) of an objective, as products with vectors.

    Symmetric, of shape (P, P), float64; SciPy's solvers accept it. `matvec`
    and `matmat` are `Objective.hessian_product`.

    Args:
        objective: `Objective`, f.
        w: Array (P,), the model's weights when left out. They are copied now:
            later training does not move the operator.

    Attributes:
        slices: Dict. The path of each trainable variable, e.g.
            `"dense/kernel"`, to the slice of rows that belongs to it.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.metrics.operators import HessianOperator

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    hessian = HessianOperator(objective) @ np.eye(4)
    assert np.allclose(hessian, hessian.T, atol=1e-6)
    ```
    """

    def __init__(self, objective: Objective, w: np.ndarray | None = None):
        self.objective = objective
        self.w = objective.weights if w is None else objective.layout.check(w)
        self.slices = objective.layout.slices
        super().__init__(np.float64, (objective.size, objective.size))

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self.objective.hessian_product(np.ravel(v), self.w)

    def _matmat(self, block: np.ndarray) -> np.ndarray:
        return self.objective.hessian_product(block, self.w)

    def _adjoint(self) -> "HessianOperator":
        return self


def as_operator(
    objective: Objective | LinearOperator, w: np.ndarray | None = None
) -> LinearOperator:
    """The operator that a measurement is made on.

    Args:
        objective: `Objective`, whose Hessian it is; or any symmetric
            `LinearOperator`.
        w: Array (P,), the point, for an `Objective`; the model's weights when
            left out.

    Returns:
        `LinearOperator` of shape (P, P).

    Raises:
        ValueError: For anything else, a matrix that is not square, and `w`
            beside an operator.
    """
    if isinstance(objective, Objective):
        return HessianOperator(objective, w)
    if not isinstance(objective, LinearOperator):
        raise ValueError(
            "`objective` must be an Objective or a SciPy LinearOperator. "
            f"Received: {type(objective).__name__}. Build one with "
            "ks.Objective(model, x, y)."
        )
    if w is not None:
        raise ValueError(
            "`w` goes with an Objective; an operator stands at its point."
        )
    if objective.shape[0] != objective.shape[1]:
        raise ValueError(
            "The operator must be square and symmetric. Received: shape "
            f"{objective.shape}."
        )
    return objective
