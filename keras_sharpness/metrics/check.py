"""Whether the curvature of a model can be believed."""

import dataclasses
import html
import io
import time
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text
from scipy.sparse.linalg import LinearOperator

from keras_sharpness import arguments
from keras_sharpness.metrics.checks.derivatives import derivative_rows
from keras_sharpness.metrics.checks.model import (
    batch_norm_row,
    influence_row,
    samples_row,
)
from keras_sharpness.metrics.checks.operator import (
    repeatability_row,
    symmetry_row,
)
from keras_sharpness.metrics.checks.precision import epsilon, precision
from keras_sharpness.metrics.checks.row import CheckRow
from keras_sharpness.metrics.checks.smoothness import smoothness, smoothness_row
from keras_sharpness.metrics.numerics.products import Products
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import as_operator, described
from keras_sharpness.progress import ProgressOption, track
from keras_sharpness.results import Result

_STYLES = {"ok": "green", "note": "yellow", "fail": "bold red"}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Check(Result):
    """What was checked and found; printed, a table.

    Attributes:
        rows: Tuple of `CheckRow`: name, verdict (`"ok"`, `"note"` or
            `"fail"`), value, limit and explanation.
        num_vectors: Int. Random vectors used.
        max_samples: Int. Samples compared with differences, at the most.
        num_products: Int. Products with the Hessian on all data.
        seconds: Float. All of it.
        product_seconds: Float. The part spent in these products.
        objective: Dict. Settings of the objective; empty for an operator that
            has none.
        matrix: Str. Which matrix it is; `"operator"` where it is none of an
            objective's, None in files of earlier versions.
    """

    rows: tuple[CheckRow, ...]
    num_vectors: int
    max_samples: int
    num_products: int
    seconds: float
    product_seconds: float
    seed: int
    objective: dict[str, Any]
    matrix: str | None = None

    def __post_init__(self) -> None:
        # JSON knows lists only.
        rows = tuple(CheckRow(*row) for row in self.rows)
        object.__setattr__(self, "rows", rows)

    @property
    def passed(self) -> bool:
        """Whether no row failed."""
        return all(row.verdict != "fail" for row in self.rows)

    def row(self, name: str) -> CheckRow:
        """The row of that name.

        Args:
            name: Str, e.g. `"symmetry"`.

        Returns:
            A `CheckRow`.

        Raises:
            KeyError: If nothing of that name was checked.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(
            f"No row {name!r}. Checked: {', '.join(r.name for r in self.rows)}."
        )

    def to_frame(self) -> pd.DataFrame:
        """One line per row, with the fields of `CheckRow` as columns."""
        return pd.DataFrame(self.rows, columns=CheckRow._fields)

    def __rich__(self) -> Table:
        title = "passed" if self.passed else "failed"
        model = self.objective.get("model", "operator")
        table = Table(title=f"Check of {model}: {title}", title_justify="left")
        table.add_column("check", no_wrap=True)
        table.add_column("verdict")
        table.add_column("value", justify="right", no_wrap=True)
        table.add_column("limit", justify="right", no_wrap=True)
        table.add_column("what it means")
        for row in self.rows:
            table.add_row(
                row.name,
                Text(row.verdict, style=_STYLES[row.verdict]),
                _number(row.value),
                _number(row.limit),
                Text(row.explanation),
            )
        return table

    def __str__(self) -> str:
        # At least so wide that the explanations stay readable.
        width = max(Console().width, 80)
        console = Console(file=io.StringIO(), width=width)
        console.print(self)
        return console.file.getvalue().rstrip()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = [
            "<tr>"
            + "".join(
                f"<td style='text-align: left'>{html.escape(str(cell))}</td>"
                for cell in (
                    row.name,
                    row.verdict,
                    _number(row.value),
                    _number(row.limit),
                    row.explanation,
                )
            )
            + "</tr>"
            for row in self.rows
        ]
        head = "".join(
            f"<th style='text-align: left'>{name}</th>"
            for name in ("check", "verdict", "value", "limit", "what it means")
        )
        return (
            f"<table><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(lines)}</tbody></table>"
        )


def check(
    objective: Objective | LinearOperator,
    *,
    num_vectors: int = 2,
    max_samples: int = 500,
    w: np.ndarray | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Check:
    """Whether curvature can be believed on this model and these data.

    With Gaussian vectors u, v, the Hessian H and the gradient g:

    * `symmetry`: `|uᵀHv − vᵀHu|` over ‖H v‖, root mean squares over all
      pairs: an estimate of `‖H − Hᵀ‖ / ‖H‖`, Frobenius norms.
    * `repeatability`: the same product twice.
    * `gradient`, `product`: gᵀv and H v against central differences of f and
      of g, in a float64 copy of the model. A model that cannot be copied is
      compared in its own precision, one of which a part casts to a narrower
      dtype of its own accord in that dtype's; the row says so.
    * `precision`: H v against that of the float64 copy.
    * `influence`: weights whose gradient and rows of H are exactly zero;
      whether the loss depends on them nevertheless.
    * `smoothness`: kinks (ReLU, max pooling, …), where there is no H, and how
      much of the gradient's change over a step of 0.1 % of the weights H does
      not describe.
    * `batch norm`, `samples`: what to know when the numbers are read.

    The comparisons with differences use the first `max_samples` samples, the
    rest all data: one gradient and 2 `num_vectors` products.

    Args:
        objective: `Objective`; or a `LinearOperator`, of which symmetry and
            repeatability are checked.
        num_vectors: Int. Random vectors, at least 2.
        max_samples: Int. See above.
        w: Array (P,), the point; the model's weights when left out.
        seed: Int. For the vectors.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches.

    Returns:
        A `Check`; `.passed` says whether all is well.

    Raises:
        ValueError: For options out of range.
        FloatingPointError: If a product is not finite.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.metrics.check import check

    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, "tanh")]
    )
    x = np.random.default_rng(0).standard_normal((100, 3))
    result = check(ks.Objective(model, x, np.ones((100, 2)), loss="mse"))
    assert result.passed
    assert result.row("product").verdict == "ok"
    ```

    Reference:
        Pearlmutter 1994, https://doi.org/10.1162/neco.1994.6.1.147, for the
        products.
    """
    clock = time.perf_counter()
    num_vectors = arguments.integer("num_vectors", num_vectors, least=2)
    max_samples = arguments.integer("max_samples", max_samples, least=1)
    seed = arguments.seed(seed)
    operator = as_operator(objective, w)
    is_objective = isinstance(objective, Objective)
    vectors = np.random.default_rng(seed).standard_normal(
        (operator.shape[0], num_vectors)
    )
    # Two more steps stand for everything that is compared afterwards.
    with track("Check", 2 * num_vectors + 2, progress) as advance:
        multiply = Products(operator, advance)
        # One by one: a block would be compiled for itself.
        first, second = (
            np.hstack([multiply(v[:, None]) for v in vectors.T])
            for _ in range(2)
        )
        eps = epsilon("float64")
        if is_objective:
            smooth = smoothness(objective)
            dtype = precision(objective, smooth.narrowed)
            eps = epsilon(dtype)
        rows = [
            symmetry_row(vectors, first, eps),
            repeatability_row(first, second, eps),
        ]
        if is_objective:
            w = operator.w
            derivatives, distance = derivative_rows(
                objective, w, vectors, first, max_samples, smooth, dtype
            )
            advance()
            rows += [
                *derivatives,
                influence_row(objective, w, first, smooth, eps),
                smoothness_row(smooth, distance),
                *batch_norm_row(objective),
                samples_row(objective),
            ]
            advance()
    return Check(
        rows=tuple(rows),
        num_vectors=num_vectors,
        max_samples=max_samples,
        num_products=multiply.count,
        seconds=time.perf_counter() - clock,
        product_seconds=multiply.seconds,
        seed=seed,
        **described(operator),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
