"""The Hessian of a model in training, where it stands."""

import numpy as np

from keras_sharpness.metrics.curvature import Curvature
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import MeasuredOperator


class PresentHessian(MeasuredOperator):
    """The Hessian at the model's weights, which do not move meanwhile.

    Unlike `HessianOperator` it makes no copy of the weights, which with what
    follows from it takes a tenth of a product with 1,000 samples.

    Args:
        objective: `Objective`.

    Attributes:
        objective: The objective.
        keeps_activations: Bool. As for `HessianOperator`.
        expects_one_product: Bool. Set to True where the first product is
            likely to be the last: nothing is kept of it, which takes a tenth
            less time where XLA compiles it as one.
    """

    def __init__(self, objective: Objective):
        self.objective = objective
        self.curvature = Curvature(matrix="hessian")
        self.slices = objective.layout.slices_of(None)
        self._kept = objective.kept_maps()
        self.keeps_activations = self._kept is not None
        self.expects_one_product = False
        super().__init__(np.float64, (objective.size, objective.size))

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matmat(v.reshape(-1, 1))[:, 0]

    def _matmat(self, block: np.ndarray) -> np.ndarray:
        kept = None if self.expects_one_product else self._kept
        self.expects_one_product = False
        return self.objective.curvature_product(block, kept=kept)

    def _adjoint(self) -> "PresentHessian":
        return self
