"""Which curvature matrix of an objective is meant."""

import dataclasses
from collections.abc import Callable
from typing import Literal

from keras_sharpness import arguments
from keras_sharpness.metrics import output_matrices
from keras_sharpness.metrics.backend.tensorflow.derivatives import Derivatives
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

    def product(self, derivatives: Derivatives) -> Callable:
        """The function that multiplies, to be traced.

        Args:
            derivatives: `Derivatives` by the variables at `places`.

        Returns:
            Function with the arguments of `Derivatives.hessian_product`.
        """
        if self.matrix == "hessian":
            return derivatives.hessian_product
        matrices = {
            "gauss-newton": output_matrices.gauss_newton,
            "empirical-fisher": output_matrices.empirical_fisher,
            "fisher": output_matrices.fisher,
            "monte-carlo-fisher": output_matrices.monte_carlo_fisher(
                num_samples=self.num_samples, seed=self.seed
            ),
        }
        return derivatives.output_product(matrices[self.matrix])
