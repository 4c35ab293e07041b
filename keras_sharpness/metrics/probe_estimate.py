"""What the estimates from random probes have in common.

A trace, a diagonal and a Frobenius norm are means over probes v of what H v
tells. How many probes that takes, what is said if they were not enough, and
what is written down of them is the same for all three, and stands here.
"""

import dataclasses
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.flat_arrays import MAX_BLOCK
from keras_sharpness.metrics.numerics.products import Products
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import as_operator, described
from keras_sharpness.progress import ProgressOption, track
from keras_sharpness.results import Result

# Measured over spectra from flat to a single eigenvalue: with fewer probes two
# standard errors of skewed samples hold the truth in less than 90 % of the
# cases. Before a look at the error half as many do, because the error that
# is asked for mostly takes more.
DEFAULT_PROBES = 32
LEAST_PROBES = 16
DEFAULT_PRODUCTS = 1000


@dataclasses.dataclass(frozen=True)
class Plan:
    """The options of an estimate from probes, checked.

    Without a relative error, exactly `at_least` probes are taken. With one,
    that many are taken before the first look at the error, and then more, a
    block at a time, up to `at_most`.

    Attributes:
        at_least: Int. Probes before the first look.
        at_most: Int. Probes within the budget.
        sketch_size: Int. Probes spent on a sketch beforehand.
        num_products: Int. What the most probes cost.
        max_products: Int, or None without a relative error.
    """

    at_least: int
    at_most: int
    sketch_size: int
    num_products: int
    max_products: int | None

    @classmethod
    def check(
        cls,
        *,
        num_probes: int | None,
        relative_error: float | None,
        max_products: int | None,
        least: int = LEAST_PROBES,
        cost: int = 1,
        sketch: bool = False,
    ) -> "Plan":
        """Checks the options.

        Args:
            num_probes: Int, at least 2; or None for `DEFAULT_PROBES`, or for
                `least` with a relative error.
            relative_error: Float, positive, or None.
            max_products: Int, or None; goes with a `relative_error`.
            least: Int. Probes before the first look.
            cost: Int. Products for each probe.
            sketch: Bool. Whether as many probes, at two products each, are
                spent on a sketch beforehand.

        Returns:
            A `Plan`.

        Raises:
            ValueError: For options out of range.
        """
        if num_probes is None:
            num_probes = DEFAULT_PROBES if relative_error is None else least
        num_probes = arguments.integer(
            "num_probes",
            num_probes,
            least=2,
            remedy="One probe tells nothing about its error.",
        )
        sketch_size = num_probes if sketch else 0
        needed = 2 * sketch_size + cost * num_probes
        if relative_error is None:
            if max_products is not None:
                raise ValueError(
                    "`max_products` limits the way to a `relative_error`. "
                    f"Received: max_products={max_products} without one. "
                    "Pass `relative_error=0.05`, or `num_probes` alone."
                )
            return cls(num_probes, num_probes, sketch_size, needed, None)
        arguments.real("relative_error", relative_error, above=0.0)
        if max_products is None:
            max_products = max(DEFAULT_PRODUCTS, needed)
        max_products = arguments.integer(
            "max_products",
            max_products,
            least=needed,
            remedy=f"The first {num_probes} probes cost {needed}.",
        )
        most = (max_products - 2 * sketch_size) // cost
        total = 2 * sketch_size + cost * most
        return cls(num_probes, most, sketch_size, total, max_products)

    def run(
        self, extend: Callable[[int], None], reached: Callable[[], bool]
    ) -> bool | None:
        """Takes probes, in blocks, until the error is reached.

        Args:
            extend: Callable, takes the given number of probes more.
            reached: Callable, whether the error is small enough.

        Returns:
            Bool, whether it was reached; None without a relative error.
        """
        done = 0
        while done < self.at_most:
            goal = self.at_least if done < self.at_least else self.at_most
            size = min(MAX_BLOCK, goal - done)
            extend(size)
            done += size
            if self.max_products is None or done < self.at_least:
                continue
            if reached():
                return True
        return None if self.max_products is None else False


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProbeEstimate(Result):
    """How an estimate from probes came about, and what it cost.

    Attributes:
        converged: Bool, whether the relative error was reached; None if none
            was asked for.
        num_probes: Int. n.
        relative_error: Float, or None. What was asked for.
        max_products: Int, or None. The budget.
        num_products: Int. Products with H.
        seconds: Float. All of it.
        product_seconds: Float. The part spent in products.
        seed: Int. For the probes.
        objective: Dict. Settings of the objective; empty for an operator that
            has none.
        matrix: Str. Which matrix it is: `"hessian"`, `"gauss-newton"`,
            `"fisher"`, …, and of which variables, where not of all;
            `"operator"` where it is none of an objective's, None in files of
            earlier versions.
    """

    converged: bool | None
    num_probes: int
    relative_error: float | None
    max_products: int | None
    num_products: int
    seconds: float
    product_seconds: float
    seed: int
    objective: dict[str, Any]
    matrix: str | None = None

    def __repr__(self) -> str:
        # What was estimated comes before how it was.
        shared = {field.name for field in dataclasses.fields(ProbeEstimate)}
        names = [field.name for field in dataclasses.fields(self)]
        names.sort(key=lambda name: name in shared)
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({values})"

    def error_text(self) -> str:
        """Which error it has, up to the verb, for the warning."""
        raise NotImplementedError


class Estimator(Protocol):
    """What one of the estimates makes of its probes."""

    def extend(self, count: int) -> None:
        """Takes `count` more probes."""

    def is_within(self, relative_error: float) -> bool:
        """Whether the standard error is small enough."""

    def found(self) -> Mapping[str, Any]:
        """The fields of the result that are its own, and `num_probes`."""


Kind = TypeVar("Kind", bound=ProbeEstimate)


def estimate(
    kind: type[Kind],
    begin: Callable[..., Estimator],
    objective: Objective | LinearOperator,
    *,
    title: str,
    w: np.ndarray | None,
    num_probes: int | None,
    relative_error: float | None,
    max_products: int | None,
    seed: int,
    progress: ProgressOption,
    costs: Mapping[str, Any] | None = None,
    remedy: str = "",
    **fields: Any,
) -> Kind:
    """Takes probes until they are enough, and writes down what they tell.

    Args:
        kind: Subclass of `ProbeEstimate`.
        begin: Callable `(multiply, operator, sketch_size=, seed=)` →
            `Estimator`, `multiply` being `Products` with the operator.
        objective: `Objective`, or any symmetric SciPy `LinearOperator`.
        title: Str. What the progress is of.
        w: As for `hessian_trace`.
        num_probes: As for `hessian_trace`.
        relative_error: As for `hessian_trace`.
        max_products: As for `hessian_trace`.
        seed: As for `hessian_trace`.
        progress: As for `hessian_trace`.
        costs: Dict of `least`, `cost` and `sketch` of `Plan.check`.
        remedy: Str. What else helps if the budget does not suffice.
        **fields: Further fields of the result.

    Returns:
        A result of that kind, with a warning if the relative error was not
        reached.

    Raises:
        ValueError: For options out of range.
        FloatingPointError: If a product is not finite.
    """
    clock = time.perf_counter()
    operator = as_operator(objective, w)
    seed = arguments.seed(seed)
    plan = Plan.check(
        num_probes=num_probes,
        relative_error=relative_error,
        max_products=max_products,
        **(costs or {}),
    )
    with track(title, plan.num_products, progress) as advance:
        multiply = Products(operator, advance)
        estimator = begin(
            multiply, operator, sketch_size=plan.sketch_size, seed=seed
        )
        converged = plan.run(
            estimator.extend, lambda: estimator.is_within(relative_error)
        )
        found = estimator.found()
    result = kind(
        **found,
        **fields,
        converged=converged,
        relative_error=relative_error,
        max_products=plan.max_products,
        num_products=multiply.count,
        seconds=time.perf_counter() - clock,
        product_seconds=multiply.seconds,
        seed=seed,
        **described(operator),
    )
    if converged is False:
        warnings.warn(
            f"{result.error_text()} above relative_error={relative_error} "
            f"after {multiply.count} products. Pass a larger `max_products` "
            f"or `relative_error`{remedy}.",
            stacklevel=3,
        )
    return result
