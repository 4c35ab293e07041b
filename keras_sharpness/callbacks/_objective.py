"""The objective that a callback measures during the whole of a training."""

import math
from collections.abc import Mapping
from typing import Any, TypedDict

import keras
import numpy as np

from keras_sharpness.callbacks._schedule import Frequency
from keras_sharpness.metrics.batches import DEFAULT_BATCH_SIZE
from keras_sharpness.metrics.loss.batch_loss import LossFunction
from keras_sharpness.metrics.loss.batch_norm import BatchNormMode
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.models.first_call import declared_batch_size, is_built
from keras_sharpness.models.xla import gains_from_xla

_LARGEST_BATCH = 1024


class ObjectiveOptions(TypedDict, total=False):
    """What `Objective` takes besides the model and the data."""

    sample_weight: Any
    class_weight: Mapping[int, float] | None
    loss: Any
    loss_fn: LossFunction | None
    batch_size: int | None
    regularization: bool
    batch_norm: BatchNormMode
    calibration: Objective | None
    block_size: int | None
    check_repeatability: bool


class MeasurementOptions(ObjectiveOptions, total=False):
    """What all callbacks that measure take besides; see `EpsilonSharpness`."""

    frequency: Frequency
    max_seconds: float | None
    max_share: float | None


def check_options(x: Any, y: Any, options: Mapping[str, Any]) -> None:
    """Refuses options that are none, or that do not go with `x`.

    Args:
        x: Data, or an `Objective`.
        y: Targets, or None.
        options: Dict of `ObjectiveOptions`.

    Raises:
        TypeError: For an unknown option.
        ValueError: For targets or options beside an `Objective`.
    """
    known = ObjectiveOptions.__annotations__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(
            f"Unknown arguments: {', '.join(unknown)}. Besides its own, a "
            f"callback takes those of an Objective: {', '.join(known)}."
        )
    if isinstance(x, Objective) and (y is not None or options):
        given = ["y"] * (y is not None) + list(options)
        raise ValueError(
            "An Objective has its data and options already. Received beside "
            f"it: {', '.join(given)}. Pass them to the Objective."
        )


def objective_of(
    model: keras.Model, x: Any, y: Any, options: Mapping[str, Any]
) -> Objective:
    """The objective of a model in training.

    Args:
        model: `keras.Model`.
        x: Data, or an `Objective` of this model.
        y: Targets, or None.
        options: Dict of `ObjectiveOptions`.

    Returns:
        An `Objective`.

    Raises:
        ValueError: For the objective of another model, and for data in
            another order at every pass.
    """
    if isinstance(x, Objective):
        if x.model is not model:
            raise ValueError(
                f"The Objective measures model {x.model.name!r}, and "
                f"{model.name!r} is being trained. Build it with "
                "ks.Objective(model, x, y) of the same model."
            )
        return x
    objective = Objective(
        model, x, y, **{"batch_size": _batch_size(model, x)} | dict(options)
    )
    _check_order(x)
    return objective


def _batch_size(model: keras.Model, x: Any) -> int | None:
    """Even batches of a dense network's arrays, None to leave it open.

    The activations of a dense network are small beside what a product does
    with its weights for every batch. On F1 one of 1,024 samples takes 87 ms
    at once, 96 in halves, and 108 in batches of 500, the last of which holds
    24.
    """
    if not is_built(model) or declared_batch_size(model) is not None:
        return None
    leaves = keras.tree.flatten(x)
    if not gains_from_xla(model) or not all(
        getattr(leaf, "shape", ()) for leaf in leaves
    ):
        return None
    num_samples = max((int(leaf.shape[0]) for leaf in leaves), default=0)
    if num_samples <= DEFAULT_BATCH_SIZE:
        return None
    return math.ceil(num_samples / math.ceil(num_samples / _LARGEST_BATCH))


def _check_order(x: Any) -> None:
    """Refuses shuffled data sets.

    The loss over all of a data set does not tell the order of its batches. But
    the passes of a shuffled `tf.data.Dataset` share one random generator:
    reading it here would change the order in which `fit` sees it. One that is
    cached behind the shuffling has one order, as soon as it has been read to
    the end.

    Args:
        x: Data that have been read.
    """
    if not hasattr(x, "element_spec"):
        return
    first, second = (next(iter(x.take(1)), None) for _ in range(2))
    leaves = zip(
        keras.tree.flatten(first), keras.tree.flatten(second), strict=True
    )
    if not all(np.array_equal(one, other) for one, other in leaves):
        raise ValueError(
            "`x` is a data set that comes in another order at every pass. "
            "Measuring on it would change the order of the training, too. "
            "Leave out `.shuffle(…)`, or pass arrays."
        )
