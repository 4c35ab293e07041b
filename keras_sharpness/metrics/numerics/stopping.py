"""How many probes a stochastic estimate takes."""

import dataclasses
from collections.abc import Callable

from keras_sharpness import arguments
from keras_sharpness.metrics.flat_arrays import MAX_BLOCK

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
