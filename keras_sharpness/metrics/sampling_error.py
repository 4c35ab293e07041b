"""How far a measured number moves with the choice of the samples."""

import dataclasses
import time
import warnings
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from keras_sharpness import arguments
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.operators import check_objective
from keras_sharpness.metrics.other_data import DrawnBatches, DrawnSamples
from keras_sharpness.progress import ProgressOption, track
from keras_sharpness.results import Result

Measure = Callable[[Objective], Any]

# The standard error of n units is itself good to 1/√(2n): 22 % of ten.
_FEW_UNITS = 10


@runtime_checkable
class _OfAMatrix(Protocol):
    """A result that says which matrix it is of."""

    matrix: str | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SamplingError(Result):
    """A number, and how it varies over resampled data.

    Attributes:
        value: Array (...), the number on all data.
        replicates: Array (B, ...), the numbers on resampled data.
        standard_error: Array (...), of the number on `num_samples` samples.
        lower: Array (...), lower end of the 95 % interval.
        upper: Array (...), upper end: `value ± t · standard_error`, t
            Student's quantile of B − 1 degrees of freedom.
        bias: Array (...), mean of the replicates less `value`: by so much is
            the number too large on `num_samples` samples, about.
        unit: Str. What was resampled, `"sample"` or `"batch"`.
        num_units: Int. How many of them the data have.
        num_drawn: Int. How many of them a replicate has.
        num_samples: Int. Samples of a replicate, about.
        num_replicates: Int. B.
        seconds: Float. All of it.
        seed: Int.
        objective: Dict. Settings of the objective.
        matrix: Str. Which matrix the number is of, as the results say that
            `measure` returned; None where it returned bare numbers, and in
            files of earlier versions.
    """

    value: np.ndarray
    replicates: np.ndarray
    standard_error: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    bias: np.ndarray
    unit: str
    num_units: int
    num_drawn: int
    num_samples: int
    num_replicates: int
    seconds: float
    seed: int
    objective: dict[str, Any]
    matrix: str | None = None

    def to_frame(self) -> pd.DataFrame:
        """One line for each entry of `value`."""
        names = ("value", "standard_error", "lower", "upper", "bias")
        return pd.DataFrame(
            {name: np.ravel(getattr(self, name)) for name in names}
        )


def sampling_error(
    objective: Objective,
    measure: Measure,
    *,
    num_replicates: int = 20,
    num_samples: int | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> SamplingError:
    """How far a number moves with the samples it is measured on.

    The bootstrap: the number is measured again on B data sets drawn from the
    data with replacement. With replicates tᵦ, mean t̄, and n units in the data,

    `standard_error² = n/(n − 1) · 1/(B − 1) Σ (tᵦ − t̄)²`,

    the first factor because the data's own variance is that much too small.
    The standard error is itself good to 1/√(2B), 16 % for 20 replicates, for
    which the interval `value ± t · standard_error` allows. It was found to hold
    the truth in 94 to 96 % of the cases for means, traces and the largest
    eigenvalue of 100 samples with B = 20 (percentiles of so few replicates:
    83 to 88 %), but in 87 % for the smallest, whose `bias` is as large as its
    error: the interval does not know of it.

    `measure` gets the same seed every time, so that the error is that of the
    data alone.

    Units are the samples of arrays. They are the batches, whole, of a data
    set, which cannot be read out of order; and with `batch_norm="batch"`,
    where a sample's loss depends on those beside it. Batches must then be
    alike: shuffled once, not sorted by class.

    Nothing is compiled anew, so the cost is that of B + 1 measurements.
    Memory: two more copies of arrays.

    Args:
        objective: `Objective`.
        measure: Callable from an `Objective` to a float, an array, or a
            result with `.value` or `.eigenvalues`.
        num_replicates: Int. B, at least 2.
        num_samples: Int. Samples in each replicate, at most N; N when left
            out. Fewer cost less and tell how far off a number measured on so
            few is. The standard error goes with 1/√num_samples, about.
        seed: Int. For what is drawn.
        progress: Bool, callable `(done, total)`, or None for a bar if a
            person watches. Pass `progress=False` to what `measure` calls.

    Returns:
        A `SamplingError`.

    Raises:
        ValueError: For options out of range, data of one unit, and a measure
            that does not return numbers of one shape.
        FloatingPointError: If a number is not finite.

    Example:

    ```python
    import keras
    import keras_sharpness as ks
    import numpy as np
    from keras_sharpness.metrics.sampling_error import sampling_error

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    x = np.random.default_rng(0).standard_normal((200, 3))
    objective = ks.Objective(model, x, np.ones((200, 1)), loss="mse")
    top = sampling_error(
        objective,
        lambda o: ks.hessian_eigenvalues(o, k=1, progress=False),
        num_replicates=5,
    )
    assert top.lower[0] <= top.upper[0] and top.standard_error[0] > 0
    ```

    Reference:
        Efron 1979, https://doi.org/10.1214/aos/1176344552; Bickel, Götze and
        van Zwet 1997, https://www.jstor.org/stable/24306001, for replicates
        smaller than the data.
    """
    clock = time.perf_counter()
    _check_options(objective, measure, num_replicates, num_samples)
    seed = arguments.seed(seed)
    total = objective.num_samples
    share = 1.0 if num_samples is None else num_samples / total
    draw: DrawnSamples | DrawnBatches
    if objective.batch_size is None or objective.batch_norm == "batch":
        draw = DrawnBatches(objective)
    else:
        draw = DrawnSamples(objective)
    num_drawn = max(1, round(share * draw.num_units))
    _check_units(draw)
    generator = np.random.default_rng(seed)
    replicates = []
    with track("Sampling error", num_replicates + 1, progress) as advance:
        measured = measure(objective)
        value = _number(measured, "all data")
        advance()
        for index in range(num_replicates):
            chosen = generator.integers(draw.num_units, size=num_drawn)
            number = _number(measure(draw(chosen)), f"replicate {index}")
            if number.shape != value.shape:
                raise ValueError(
                    "`measure` must return numbers of one shape. Received: "
                    f"{value.shape} on all data, {number.shape} in replicate "
                    f"{index}."
                )
            replicates.append(number)
            advance()
    found = np.array(replicates)
    correction = np.sqrt(draw.num_units / (draw.num_units - 1))
    error = correction * found.std(axis=0, ddof=1)
    reach = stdtrit(num_replicates - 1, 0.975) * error
    return SamplingError(
        value=value,
        replicates=found,
        standard_error=np.asarray(error),
        lower=np.asarray(value - reach),
        upper=np.asarray(value + reach),
        bias=np.asarray(found.mean(axis=0) - value),
        unit=draw.unit,
        num_units=draw.num_units,
        num_drawn=num_drawn,
        num_samples=round(num_drawn * total / draw.num_units),
        num_replicates=num_replicates,
        seconds=time.perf_counter() - clock,
        seed=seed,
        objective=objective.settings,
        matrix=_matrix_of(measured),
    )


def _matrix_of(found: Any) -> str | None:
    """Which matrix a result is of, if it is one and says so."""
    is_one = isinstance(found, Result) and isinstance(found, _OfAMatrix)
    return found.matrix if is_one else None


def _number(found: Any, where: str) -> np.ndarray:
    """What a measure returned, as a float64 array."""
    for name in ("value", "eigenvalues"):
        if isinstance(found, Result) and hasattr(found, name):
            found = getattr(found, name)
    try:
        number = np.array(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`measure` must return a float, an array, or a result with "
            f"`.value` or `.eigenvalues`. Received: {type(found).__name__}."
        ) from error
    if not np.all(np.isfinite(number)):
        raise FloatingPointError(
            f"`measure` returned NaN or infinity on {where}."
        )
    return number


def _check_units(draw: DrawnSamples | DrawnBatches) -> None:
    if draw.num_units < 2:
        raise ValueError(
            f"The data are one {draw.unit}, of which nothing can be drawn. "
            "Pass more, or smaller batches."
        )
    if draw.num_units < _FEW_UNITS:
        warnings.warn(
            f"The data are {draw.num_units} {draw.unit}es, few to estimate an "
            "error from. Pass smaller batches, or arrays with "
            "`batch_norm='inference'`."
            if draw.unit == "batch"
            else f"The data are {draw.num_units} samples, few to estimate an "
            "error from.",
            stacklevel=3,
        )


def _check_options(
    objective: Objective,
    measure: Measure,
    num_replicates: int,
    num_samples: int | None,
) -> None:
    check_objective(objective)
    arguments.function(
        "measure",
        measure,
        "that takes an Objective, e.g. `lambda o: "
        "ks.hessian_eigenvalues(o, k=1)`",
    )
    arguments.integer("num_replicates", num_replicates, least=2)
    arguments.integer(
        "num_samples",
        num_samples,
        least=1,
        most=objective.num_samples,
        optional=True,
    )
