"""Whether data fit a model and its loss, found out on a few samples."""

from typing import Any

import keras
import numpy as np

from keras_sharpness import targets
from keras_sharpness.models.first_call import (
    CALL_FAILURES,
    declared_batch_size,
)
from keras_sharpness.reasons import short_reason
from keras_sharpness.training import checks
from keras_sharpness.training.backend import Data
from keras_sharpness.training.compiling import first_outputs

# Enough outputs to tell logits from probabilities.
_NUM_PROBED = 32


def check_validation(
    model: keras.Model, validation: Data, data: Data, outputs: Any, loss: Any
) -> None:
    """Refuses validation data that the model or the loss would not take.

    Args:
        model: `keras.Model`.
        validation: `Data` of arrays.
        data: `Data` of arrays that the model is trained on.
        outputs: Array or nest of arrays. The model's outputs for the first of
            these.
        loss: Loss as `model.compile` takes it.

    Raises:
        ValueError: If they do not fit.
    """
    for name in ("x", "y"):
        own, other = getattr(validation, name), getattr(data, name)
        if _structure(own) != _structure(other):
            raise ValueError(
                f"`validation {name}` must be nested as `{name}`, "
                f"{_shapes(other)}. Received: {_shapes(own)}. Prepare both in "
                "one way."
            )
    probe = first_samples(model, validation)
    num_samples = len(keras.tree.flatten(validation.x)[0])
    try:
        found = first_outputs(model, probe.x)
    except CALL_FAILURES as error:
        raise ValueError(
            f"`validation x` does not fit the model {model.name!r}. Received: "
            f"{_shapes(validation.x)}; it is trained on {_shapes(data.x)}. "
            "Prepare both in one way."
        ) from error
    check_targets(validation, "validation ", num_samples, found, loss)
    if not _takes(loss, probe.y, found) and _takes(
        loss, first_samples(model, data).y, outputs
    ):
        raise ValueError(
            "`validation y` does not fit the loss. Received: "
            f"{_shapes(validation.y)}; the model is trained on "
            f"{_shapes(data.y)}. Prepare both in one way."
        )


def check_masked(
    model: keras.Model, data: Data, prefix: str, loss: Any
) -> None:
    """Refuses NaN and infinity that reach the outputs or the loss.

    Args:
        model: `keras.Model`, built.
        data: `Data` of arrays.
        prefix: Str. What stands before the names in messages.
        loss: Loss as `model.compile` takes it. One that only the model itself
            knows, or of outputs without names, shows in the first batch.

    Raises:
        ValueError: If an output or a loss of these samples is not finite.
    """
    bad = checks.not_finite_samples(data.x) | checks.not_finite_samples(data.y)
    numbers = np.flatnonzero(bad)
    if not len(numbers):
        return
    part = _rows(data, np.resize(numbers, _num_probed(model)))
    outputs = outputs_of(model, part.x)
    values = [
        targets.losses_of(single, y, output)
        for _, y, output, single in _pairs("y", part.y, outputs, loss)
    ]
    if all(
        np.all(np.isfinite(value))
        for value in [*keras.tree.flatten(outputs), *values]
    ):
        return
    for name in ("x", "y"):
        checks.check_finite(
            prefix + name,
            getattr(data, name),
            remedy="Remove or replace these samples, or mask them in the loss.",
        )


def check_targets(
    data: Data,
    prefix: str,
    num_samples: int,
    outputs: Any,
    loss: Any,
) -> None:
    """Refuses targets, or a loss, that do not fit the model's outputs.

    Args:
        data: `Data` of arrays.
        prefix: Str. What stands before the names in messages.
        num_samples: Int. Samples N.
        outputs: Array (n, ...) or flat nest of arrays. The model's outputs
            for a few samples.
        loss: Loss as `model.compile` takes it.

    Raises:
        ValueError: If they do not fit.
    """
    for name, y, output, single in _pairs(f"{prefix}y", data.y, outputs, loss):
        spec = targets.loss_spec(single)
        shape = (num_samples, *output.shape[1:])
        targets.check_targets(name, y, shape, spec)
        targets.check_probabilities(output, spec)


def check_last_batch(model: keras.Model, data: Data, size: int) -> None:
    """Refuses a short last batch where the model fixes the size."""
    declared = declared_batch_size(model)
    if declared is None or size == 0:
        return
    try:
        first_outputs(model, _rows(data, slice(size)).x)
    except CALL_FAILURES as error:
        raise ValueError(
            f"The inputs of model {model.name!r} fix the size of a batch to "
            f"{declared}. Received: a last batch of {size} samples. Pass "
            f"`batch_size={declared}` and a multiple of {declared} samples."
        ) from error


def outputs_of(model: keras.Model, x: Any) -> Any:
    """What the model returns, or an error that says what does not fit."""
    try:
        return first_outputs(model, x)
    except CALL_FAILURES as error:
        kinds = keras.tree.map_structure(lambda a: (a.shape, str(a.dtype)), x)
        raise ValueError(
            f"`x` does not fit model {model.name!r}. Received: {kinds}. "
            f"Reshape or convert `x`. Keras says: {short_reason(error)}"
        ) from error


def first_samples(model: keras.Model, data: Data) -> Data:
    """As many samples as the model is tried on before the training."""
    return _rows(data, slice(_num_probed(model)))


def _num_probed(model: keras.Model) -> int:
    return declared_batch_size(model) or _NUM_PROBED


def _rows(data: Data, numbers: Any) -> Data:
    return keras.tree.map_structure(
        lambda array: None if array is None else array[numbers], data
    )


def _takes(loss: Any, y: Any, outputs: Any) -> bool:
    """Whether a single loss can be computed; True where it is not known."""
    if loss is None or keras.tree.is_nested(loss) or keras.tree.is_nested(y):
        return True
    if isinstance(loss, str) or keras.tree.is_nested(outputs):
        return True
    try:
        keras.losses.get(loss)(y, outputs)
    except CALL_FAILURES:
        return False
    return True


def _pairs(name: str, y: Any, outputs: Any, loss: Any) -> list[tuple]:
    """Targets, outputs and losses that belong together, where that is plain."""
    nests = dict | list | tuple
    if isinstance(y, np.ndarray) and isinstance(outputs, np.ndarray):
        return [(name, y, outputs, loss)]
    if isinstance(y, dict) and isinstance(outputs, dict):
        keys = list(outputs)
    elif isinstance(y, list | tuple) and isinstance(outputs, list | tuple):
        keys = list(range(len(outputs)))
    else:
        return []
    losses = loss if isinstance(loss, nests) else dict.fromkeys(keys, loss)
    if isinstance(losses, list | tuple):
        losses = dict(enumerate(losses))
    return [
        pair
        for key in keys
        if key in losses and (isinstance(y, list | tuple) or key in y)
        for pair in _pairs(
            f"{name}[{key!r}]", y[key], outputs[key], losses[key]
        )
    ]


def _structure(nest: Any) -> Any:
    return keras.tree.map_structure(lambda _: None, nest)


def _shapes(nest: Any) -> str:
    leaves = keras.tree.flatten(nest)
    return ", ".join(f"shape {a.shape} of {a.dtype}" for a in leaves)
