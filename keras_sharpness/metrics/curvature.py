"""Which curvature matrix of an objective is meant."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

from keras_sharpness import arguments
from keras_sharpness.metrics import output_matrices
from keras_sharpness.metrics.backend import (
    hessian_product,
    jacobian_square_product,
)
from keras_sharpness.metrics.loss.batch_loss import BatchLoss, Forward
from keras_sharpness.metrics.loss.losses import ADDED, LossSpecification

Matrix = Literal[
    "hessian",
    "gauss-newton",
    "fisher",
    "monte-carlo-fisher",
    "empirical-fisher",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curvature:
    """A curvature matrix, all of it or the block of some variables.

    Attributes:
        matrix: Str. `"hessian"`, `"gauss-newton"`, `"fisher"`,
            `"monte-carlo-fisher"` or `"empirical-fisher"`.
        places: Tuple of int. The trainable variables whose rows and columns
            are kept; None for all.
        num_samples: Int. Targets drawn per output, for Monte Carlo.
        seed: Int. For the draws.
    """

    matrix: Matrix
    places: tuple[int, ...] | None = None
    num_samples: int = 1
    seed: int = 0

    def __post_init__(self):
        arguments.one_of("matrix", self.matrix, Matrix)
        arguments.integer("num_samples", self.num_samples, least=1)
        arguments.seed(self.seed)

    def name(self, paths: Sequence[str]) -> str:
        """What to call it, so that no two matrices are called alike.

        Args:
            paths: Sequence of str, those of all trainable variables.

        Returns:
            Str, e.g. `"hessian"`, `"hessian of dense/kernel"` for a block, or
            `"monte-carlo-fisher, num_samples=1, seed=3"`.
        """
        name: str = self.matrix
        if self.matrix == "monte-carlo-fisher":
            name += f", num_samples={self.num_samples}, seed={self.seed}"
        # The block of all variables is the matrix itself.
        if self.places is None or len(self.places) == len(paths):
            return name
        return f"{name} of {', '.join(paths[place] for place in self.places)}"

    def check(self, specification: LossSpecification) -> None:
        """Refuses a loss that the matrix is not defined for.

        Args:
            specification: `LossSpecification`.

        Raises:
            ValueError: For such a loss.
        """
        if self.matrix != "hessian" and specification.name == ADDED:
            raise ValueError(
                f"The {self.matrix} matrix is that of a loss of the model's "
                "outputs. Here layers make it by `add_loss`: use the Hessian."
            )
        if self.matrix in ("fisher", "monte-carlo-fisher"):
            output_matrices.check_likelihood(specification, self.matrix)

    def product(self, batch_loss: BatchLoss) -> Callable:
        """The function that multiplies, to be traced.

        Args:
            batch_loss: `BatchLoss`, the loss.

        Returns:
            Function `(weights, state, x, y, sample_weight, index, share,
            vector)` → list of tensors: share times the matrix of the batch of
            that index, times the vector.
        """
        if self.matrix == "hessian":

            def loss(weights, state, x, y, sample_weight, index):
                del index
                return batch_loss.value(weights, state, x, y, sample_weight)

            return hessian_product(loss, places=self.places)

        def forward(weights, state, x, y, sample_weight, index):
            del sample_weight, index
            return batch_loss.forward(weights, state, x, y)

        def bend(passed: Forward, state, x, y, sample_weight, index):
            del state, x, y
            return self._output_matrix()(passed, sample_weight, index)

        return jacobian_square_product(forward, bend, places=self.places)

    def _output_matrix(self) -> output_matrices.OutputMatrix:
        if self.matrix == "monte-carlo-fisher":
            return output_matrices.monte_carlo_fisher(
                num_samples=self.num_samples, seed=self.seed
            )
        return {
            "gauss-newton": output_matrices.gauss_newton,
            "empirical-fisher": output_matrices.empirical_fisher,
            "fisher": output_matrices.fisher,
        }[self.matrix]
