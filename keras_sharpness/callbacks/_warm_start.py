"""A search for eigenvectors that is repeated while the matrix changes."""

import dataclasses
import time
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.curvature import Curvature
from keras_sharpness.metrics.eigenvalues import (
    Eigenvalues,
    Which,
    hessian_eigenvalues,
)
from keras_sharpness.metrics.flat_arrays import ReusedMemory
from keras_sharpness.metrics.hard_samples import HardSamples
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import MeasuredOperator
from keras_sharpness.progress import ProgressOption

# Every so often a search starts from random vectors, and makes sure that no
# larger eigenvalue was missed, which takes ten products where to follow takes
# two or three.
_AFRESH = 10
# The residual on all data is that of the vector on the hardest samples and what
# these lack, which together must be within the tolerance.
_PILOT_TOLERANCE = 0.85


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
        self._memory = ReusedMemory()
        super().__init__(np.float64, (objective.size, objective.size))

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matmat(v.reshape(-1, 1))[:, 0]

    def _matmat(self, block: np.ndarray) -> np.ndarray:
        kept = None if self.expects_one_product else self._kept
        self.expects_one_product = False
        return self.objective.curvature_product(
            block, kept=kept, memory=self._memory
        )

    def _adjoint(self) -> "PresentHessian":
        return self


class WarmStart:
    """Eigenvalues of a Hessian that changes, each time from the last vectors.

    One more than is wanted is followed at each end. At the edge of stability
    of a small network, the first alone was up to 10 % too low for five
    measurements, after the second had overtaken it; with two it was off by
    0.8 % at the most, and by 0.2 % on average, for 3.7 products instead of 2.3.

    Where the largest alone is wanted of the Hessian of an objective that
    `HardSamples` applies to, a search on these samples gives the vector to
    start from instead. It looks for the largest anew every time, so that no
    second one is followed. On F1 the eigenvector turns nearly right round in
    an epoch, and the last one saved no products.

    Either way there is something random in the vectors to start from, so that
    an eigenvector that none of the last ones had a part in grows from one
    measurement to the next. How likely it is that it is missed for a while
    nobody can say: `miss_probability` of these results is None.

    Args:
        k: Int. How many are wanted, from each end that is asked for.
        which: Str. `"largest"`, `"smallest"` or `"both"`.
        tolerance: Float. Relative residual.
        max_products: Int, or None.
        seed: Int. For random vectors.
        num_hard_samples: Int. For `HardSamples`.
    """

    def __init__(
        self,
        *,
        k: int,
        which: Which,
        tolerance: float,
        max_products: int | None,
        seed: int,
        num_hard_samples: int = 100,
    ) -> None:
        self._k = arguments.integer("k", k, least=1)
        self._which = arguments.one_of("which", which, Which)
        self._tolerance = arguments.real("tolerance", tolerance, above=0.0)
        self._max_products = arguments.integer(
            "max_products", max_products, least=k, optional=True
        )
        self._seed = arguments.seed(seed)
        self._num_hard_samples = num_hard_samples
        self.forget()

    def forget(self) -> None:
        """Starts afresh, and lets go of the data."""
        self._vectors: np.ndarray | None = None
        self._pilot: HardSamples | None = None
        self._count = 0

    def prepare(self, operator: LinearOperator) -> None:
        """Compiles what the searches after the first one need.

        Args:
            operator: `LinearOperator`, as for `find`.
        """
        if not (
            self._k == 1
            and self._which == "largest"
            and isinstance(operator, PresentHessian)
        ):
            return
        objective = operator.objective
        count = self._num_hard_samples
        if HardSamples.applies_to(objective, num_samples=count):
            self._pilot = HardSamples(objective, num_samples=count)
            hard = self._pilot.find(tolerance=self._tolerance)
            if hard is not None:
                operator.expects_one_product = True
                operator @ hard.vector

    def find(
        self, operator: LinearOperator, progress: ProgressOption
    ) -> Eigenvalues:
        """The eigenvalues of the matrix as it is now.

        Args:
            operator: `LinearOperator`, symmetric; after `prepare`, a
                `PresentHessian` of the same objective.
            progress: As for `hessian_eigenvalues`.

        Returns:
            An `Eigenvalues` of those wanted, without vectors.
        """
        clock = time.perf_counter()
        is_afresh = self._count % _AFRESH == 0
        hard = found = None
        if self._pilot is not None and not is_afresh:
            # To stand there once is a tenth of a product less.
            with operator.objective.standing_at():
                hard = self._pilot.find(
                    tolerance=_PILOT_TOLERANCE * self._tolerance
                )
                if hard is not None:
                    operator.expects_one_product = True
                    start = hard.vector[:, None]
                    found = self._search(operator, progress, start)
        if found is None:
            found = self._followed(operator, progress, is_afresh)
        self._count += 1
        return dataclasses.replace(
            found,
            eigenvectors=None,
            num_pilot_samples=0 if hard is None else hard.num_samples,
            num_pilot_products=0 if hard is None else hard.num_products,
            seconds=time.perf_counter() - clock,
        )

    def _followed(
        self,
        operator: LinearOperator,
        progress: ProgressOption,
        is_afresh: bool,
    ) -> Eigenvalues:
        """A search from the last vectors, or from random ones."""
        most = operator.shape[0] // (2 if self._which == "both" else 1)
        found = self._search(
            operator,
            progress,
            None if is_afresh else self._vectors,
            k=self._k + 1 if 0 < self._k < most else self._k,
            eigenvectors=True,
        )
        self._vectors = found.eigenvectors
        count = len(found.eigenvalues)
        wanted = {
            "largest": np.arange(self._k),
            "smallest": np.arange(count - self._k, count),
            "both": np.r_[: self._k, count - self._k : count],
        }[self._which]
        return dataclasses.replace(
            found,
            eigenvalues=found.eigenvalues[wanted],
            residuals=found.residuals[wanted],
            converged=found.converged[wanted],
        )

    def _search(
        self,
        operator: LinearOperator,
        progress: ProgressOption,
        start: np.ndarray | None,
        **options: Any,
    ) -> Eigenvalues:
        if start is not None:
            options["miss_probability"] = None
        return hessian_eigenvalues(
            operator,
            which=self._which,
            tolerance=self._tolerance,
            max_products=self._max_products,
            initial_vectors=start,
            # Other random parts every time.
            seed=self._seed + self._count,
            progress=progress,
            **{"k": self._k} | options,
        )
