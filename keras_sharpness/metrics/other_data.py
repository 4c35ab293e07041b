"""An objective on other data than its own, without compiling anew."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import keras
import numpy as np

from keras_sharpness.metrics.backend import gather, join, rows
from keras_sharpness.metrics.batches import Batch, Batches
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.models.first_call import declared_batch_size

Unit = Literal["sample", "batch"]


class HeldBatches:
    """Batches in memory as a data set; a bare list would be one of arrays.

    Args:
        batches: Sequence of tuples (x, y, sample_weight).
    """

    def __init__(self, batches: Sequence[tuple]):
        self._batches = list(batches)

    def __iter__(self) -> Iterator[tuple]:
        """Yields the batches of one pass."""
        return iter(self._batches)


def with_batches(
    objective: Objective,
    batches: Iterable[Batch],
    num_samples: int,
    *,
    hold_statistics: bool = False,
) -> Objective:
    """`objective` over other batches, with the same compiled functions.

    The two share the point in weight space at which they evaluate, so that
    one of them at a time can be used. Where `batch_norm="recalibrate"`
    estimates on the objective's own data, it estimates on the new data.

    Args:
        objective: `Objective`.
        batches: Iterable of `Batch`, the same at every pass.
        num_samples: Int. How many samples they hold together.
        hold_statistics: Bool. Whether `"recalibrate"` keeps the model's moving
            statistics instead.

    Returns:
        `Objective`.
    """
    other = copy.copy(objective)
    other._batches = batches
    other.num_samples = num_samples
    moments = objective._moments
    if hold_statistics:
        other._moments = None
    elif moments is not None and moments.batches is objective.batches:
        other._moments = moments.on(batches)
    return other


def first_batches(objective: Objective, num_samples: int) -> list[Batch]:
    """The first batches of the data, until they hold `num_samples`.

    They stay whole where the result depends on how the data are cut, and
    where the model fixes the size of a batch.

    Args:
        objective: `Objective`.
        num_samples: Int. About how many samples.

    Returns:
        List of `Batch`.
    """
    fixed = (
        objective.batch_norm == "batch"
        or declared_batch_size(objective.model) is not None
    )
    found: list[Batch] = []
    missing = num_samples
    for batch in objective.batches:
        part = batch if fixed else _head(batch, missing)
        if not _counts(part):
            part = batch
        # What counts nothing would be compared with nothing.
        if not _counts(part):
            continue
        found.append(part)
        missing -= part.size
        if missing <= 0:
            break
    return found


def _counts(batch: Batch) -> bool:
    """Whether the weights of the samples, if any, have a positive sum."""
    weights = [
        keras.ops.convert_to_numpy(weight)
        for weight in keras.tree.flatten(batch.sample_weight)
        if weight is not None
    ]
    return not weights or sum(map(np.sum, weights)) > 0.0


def _head(batch: Batch, size: int) -> Batch:
    if batch.size <= size:
        return batch
    parts = keras.tree.map_structure(
        lambda tensor: None if tensor is None else rows(tensor, 0, size),
        tuple(batch[:3]),
    )
    return Batch(*parts, size)


def rebuilt(
    objective: Objective,
    model: keras.Model,
    batches: Sequence[Batch],
    loss: Any,
) -> Objective:
    """An objective defined as `objective` is, of another model.

    `batch_norm="recalibrate"` becomes `"inference"`: its derivatives hold the
    statistics fixed.

    Args:
        objective: `Objective`.
        model: `keras.Model`, compiled if the loss is the compiled one.
        batches: Sequence of `Batch`.
        loss: The loss, where it is not the compiled one.

    Returns:
        `Objective`.
    """
    mode = objective.batch_norm
    if objective.loss_fn is not None:
        options = {"loss_fn": objective.loss_fn}
    else:
        is_compiled = objective.batch_loss.is_compiled
        options = {"loss": None if is_compiled else loss}
    return Objective(
        model,
        HeldBatches([tuple(batch[:3]) for batch in batches]),
        **options,
        regularization=objective.regularization,
        batch_norm="inference" if mode == "recalibrate" else mode,
        check_repeatability=False,
    )


def losses_of(objective: Objective) -> Any:
    """The loss function of an objective, or the nested ones.

    Args:
        objective: `Objective`.

    Returns:
        Callable, or nested ones.
    """
    nested = objective.loss.nested
    return objective.loss.function if nested is None else nested


class DrawnSamples:
    """Objectives on drawn samples of arrays.

    Args:
        objective: `Objective` on arrays, which are copied once.

    Attributes:
        unit: Str. `"sample"`.
        num_units: Int. N.
    """

    unit: Unit = "sample"

    def __init__(self, objective: Objective):
        self._objective = objective
        self.num_units = objective.num_samples
        parts = [tuple(batch[:3]) for batch in objective.batches]
        self._arrays = keras.tree.map_structure(
            lambda *tensors: None if tensors[0] is None else join(tensors),
            *parts,
        )

    def __call__(self, chosen: np.ndarray) -> Objective:
        """The objective on the units of these numbers, repeated ones too."""
        # In order: neighbours in memory are copied faster.
        chosen = np.sort(chosen)
        x, y, sample_weight = keras.tree.map_structure(
            lambda array: None if array is None else gather(array, chosen),
            self._arrays,
        )
        batches = Batches(
            x,
            y,
            sample_weight=sample_weight,
            batch_size=self._objective.batch_size,
            dtype=self._objective.layout.dtype,
        )
        return with_batches(self._objective, batches, len(chosen))


class DrawnBatches:
    """Objectives on drawn batches, each read as often as it was drawn.

    Args:
        objective: `Objective`.

    Attributes:
        unit: Str. `"batch"`.
        num_units: Int. The number of batches.
    """

    unit: Unit = "batch"

    def __init__(self, objective: Objective):
        self._objective = objective
        self._sizes = np.array([batch.size for batch in objective.batches])
        self.num_units = len(self._sizes)

    def __call__(self, chosen: np.ndarray) -> Objective:
        """The objective on the units of these numbers, repeated ones too."""
        counts = np.bincount(chosen, minlength=self.num_units)
        return with_batches(
            self._objective,
            _Repeated(self._objective.batches, counts),
            int(counts @ self._sizes),
        )


class _Repeated:
    """Batches, each as often as `counts` says."""

    def __init__(self, batches: Batches, counts: np.ndarray):
        self._batches = batches
        self._counts = counts

    def __iter__(self) -> Iterator[Batch]:
        for batch, count in zip(self._batches, self._counts, strict=True):
            for _ in range(count):
                yield batch
