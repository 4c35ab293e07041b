"""The arguments of a training, checked against each other."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_sharpness import arguments
from keras_sharpness.models.first_call import (
    build,
    declared_batch_size,
    in_one_line,
    is_built,
)
from keras_sharpness.training import checks, targets
from keras_sharpness.training.compiling import (
    check_added,
    check_trainable,
    first_outputs,
    has_loss,
)
from keras_sharpness.training.plan import Plan
from keras_sharpness.training.step import Data, to_device
from keras_sharpness.training.xla import gains_from_xla

# Enough outputs to tell logits from probabilities.
_NUM_PROBED = 32


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a training works on, after all checks.

    Attributes:
        plan: `Plan`.
        data: `Data` of arrays (N, ...).
        validation: `Data` of arrays, or None.
        probe: `Data` of the first few samples.
        outputs: Array or nest of arrays. The model's outputs for the probe.
        loss: Loss, as `model.compile` takes it.
        accuracy: Str or None. How predictions are counted as right.
        threshold: Float. The output above which a binary prediction is 1.
        ignored_class: Int. A label whose entries are not counted, or None.
    """

    plan: Plan
    data: Data
    validation: Data | None
    probe: Data
    outputs: Any
    loss: Any
    accuracy: targets.AccuracyKind | None
    threshold: float
    ignored_class: int | None


def prepare(
    model: keras.Model,
    data: Sequence[Any],
    validation_data: Sequence[Any] | None,
    loss: Any,
    **numbers: Any,
) -> Prepared:
    """Checks model, data, loss and numbers; changes nothing.

    Args:
        model: `keras.Model`.
        data: Tuple `(x, y, sample_weight)`.
        validation_data: Tuple `(x, y)` or `(x, y, sample_weight)`, or None.
        loss: Loss as `model.compile` takes it, or None for the compiled one.
        **numbers: The arguments of `Plan` that the data do not give.

    Returns:
        A `Prepared`.

    Raises:
        ValueError: If anything does not fit.
    """
    check_trainable(model)
    needs_targets = has_loss(model, loss)
    arrays, num_samples = check_data(
        model, "", data, needs_targets=needs_targets
    )
    validation, num_validation_samples = None, 0
    if validation_data is not None:
        validation, num_validation_samples = check_data(
            model,
            "validation ",
            validation_data,
            needs_targets=needs_targets,
        )
    plan = Plan(
        num_samples=num_samples,
        num_validation_samples=num_validation_samples,
        **numbers,
    )
    size = declared_batch_size(model) or _NUM_PROBED
    probe = _rows(arrays, slice(size))
    if not is_built(model):
        build(model, to_device(probe.x))
    check_weights(model)
    if not needs_targets:
        check_added(model, probe.x)
    _check_last_batch(model, arrays, num_samples % plan.batch_size)
    if loss is None and model.compiled:
        loss = model.loss
    outputs = _outputs(model, probe.x)
    check_targets(arrays, "", num_samples, outputs, loss)
    check_masked(model, arrays, "", loss)
    if validation is not None:
        check_validation(model, validation, arrays, outputs, loss)
        check_masked(model, validation, "validation ", loss)
    spec = targets.loss_spec(loss)
    accuracy = None
    if isinstance(outputs, np.ndarray):
        shape = (num_samples, *outputs.shape[1:])
        accuracy = targets.accuracy_kind(arrays.y, shape, spec)
    return Prepared(
        plan=plan,
        data=arrays,
        validation=validation,
        probe=probe,
        outputs=outputs,
        loss=loss,
        accuracy=accuracy,
        threshold=0.0 if spec.from_logits else 0.5,
        ignored_class=spec.ignored_class if accuracy == "sparse" else None,
    )


def check_data(
    model: keras.Model,
    prefix: str,
    data: Sequence[Any],
    *,
    needs_targets: bool = True,
) -> tuple[Data, int]:
    """Samples as arrays of one length.

    Args:
        model: `keras.Model`, whose dtype counts for floating-point arrays.
        prefix: Str. What stands before the names in messages.
        data: Tuple `(x, y)` or `(x, y, sample_weight)`.
        needs_targets: Bool. Whether y may not be None.

    Returns:
        `Data` of arrays, and the number of samples.

    Raises:
        ValueError: If `data` is no such tuple, or the arrays do not fit.
    """
    if not isinstance(data, list | tuple) or len(data) not in (2, 3):
        raise arguments.refuse(
            "validation_data",
            data,
            "a tuple (x, y) or (x, y, sample_weight)",
            "Pass e.g. `validation_data=(x_test, y_test)`.",
        )
    dtype = keras.backend.result_type(
        keras.config.floatx(), model.variable_dtype
    )
    named = {}
    for name, value in zip(Data._fields, data, strict=False):
        if value is None and (name == "x" or (name == "y" and needs_targets)):
            raise ValueError(
                f"`{prefix}{name}` is missing. Received: None. Pass arrays of "
                "inputs and of targets."
            )
        named[prefix + name] = checks.as_arrays(
            prefix + name, value, float_dtype=dtype
        )
    num_samples = checks.check_lengths(**named)
    x, y, *rest = named.values()
    weights = keras.tree.flatten(rest[0] if rest else None)
    arguments.sample_weights(
        f"{prefix}sample_weight", [w for w in weights if w is not None]
    )
    return Data(x, y, rest[0] if rest else None), num_samples


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
    size = declared_batch_size(model) or _NUM_PROBED
    probe = _rows(validation, slice(size))
    num_samples = len(keras.tree.flatten(validation.x)[0])
    try:
        found = first_outputs(model, probe.x)
    except Exception as error:
        raise ValueError(
            f"`validation x` does not fit the model {model.name!r}. Received: "
            f"{_shapes(validation.x)}; it is trained on {_shapes(data.x)}. "
            "Prepare both in one way."
        ) from error
    check_targets(validation, "validation ", num_samples, found, loss)
    if not _takes(loss, probe.y, found) and _takes(
        loss, _rows(data, slice(size)).y, outputs
    ):
        raise ValueError(
            "`validation y` does not fit the loss. Received: "
            f"{_shapes(validation.y)}; the model is trained on "
            f"{_shapes(data.y)}. Prepare both in one way."
        )


def _structure(nest: Any) -> Any:
    return keras.tree.map_structure(lambda _: None, nest)


def _shapes(nest: Any) -> str:
    leaves = keras.tree.flatten(nest)
    return ", ".join(f"shape {a.shape} of {a.dtype}" for a in leaves)


def _takes(loss: Any, y: Any, outputs: Any) -> bool:
    """Whether a single loss can be computed; True where it is not known."""
    if loss is None or keras.tree.is_nested(loss) or keras.tree.is_nested(y):
        return True
    if isinstance(loss, str) or keras.tree.is_nested(outputs):
        return True
    try:
        keras.losses.get(loss)(y, outputs)
    except Exception:
        return False
    return True


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
    size = declared_batch_size(model) or _NUM_PROBED
    part = _rows(data, np.resize(numbers, size))
    outputs = _outputs(model, part.x)
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


def _outputs(model: keras.Model, x: Any) -> Any:
    try:
        return first_outputs(model, x)
    except (TypeError, ValueError, tf.errors.OpError) as error:
        kinds = keras.tree.map_structure(lambda a: (a.shape, str(a.dtype)), x)
        raise ValueError(
            f"`x` does not fit model {model.name!r}. Received: {kinds}. "
            f"Reshape or convert `x`. Keras says: {in_one_line(error)}"
        ) from error


def _check_last_batch(model: keras.Model, data: Data, size: int) -> None:
    """Refuses a short last batch where the model fixes the size."""
    declared = declared_batch_size(model)
    if declared is None or size == 0:
        return
    try:
        first_outputs(model, _rows(data, slice(size)).x)
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(
            f"The inputs of model {model.name!r} fix the size of a batch to "
            f"{declared}. Received: a last batch of {size} samples. Pass "
            f"`batch_size={declared}` and a multiple of {declared} samples."
        ) from error


def _rows(data: Data, numbers: Any) -> Data:
    return keras.tree.map_structure(
        lambda array: None if array is None else array[numbers], data
    )


def check_weights(model: keras.Model) -> None:
    """Refuses a model with NaN or infinity in its weights.

    Args:
        model: `keras.Model`, built.

    Raises:
        ValueError: If a weight is not finite.
    """
    for weight in model.weights:
        checks.check_finite(
            weight.path,
            keras.ops.convert_to_numpy(weight),
            remedy="Initialise the model anew, or load good weights.",
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


def check_callbacks(callbacks: Any) -> list[keras.callbacks.Callback]:
    """The callbacks as a list.

    Args:
        callbacks: `keras.callbacks.Callback`, a sequence of them, or None.

    Returns:
        List of callbacks.

    Raises:
        ValueError: If something is no callback, or one that the loop cannot
            serve.
    """
    if callbacks is None:
        return []
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    arguments.instance(
        "callbacks",
        callbacks,
        Sequence,
        "a list of `keras.callbacks.Callback`",
        "Pass the callbacks themselves.",
    )
    callbacks = list(callbacks)
    for callback in callbacks:
        is_list = isinstance(callback, keras.callbacks.CallbackList)
        if is_list or not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(
                "`callbacks` must be a list of `keras.callbacks.Callback`. "
                f"Received: {type(callback).__name__}. Pass the callbacks "
                "themselves."
            )
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ValueError(
                "`BackupAndRestore` needs `fit`. Received: it among the "
                "callbacks. Pass `checkpoint='training.npz'` instead, which "
                "also keeps the optimizer and the callbacks."
            )
    return callbacks


def check_jit_compile(jit_compile: Any, model: keras.Model) -> bool:
    """Whether XLA compiles the step.

    Args:
        jit_compile: Bool or `"auto"`.
        model: `keras.Model`.

    Returns:
        Bool.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(jit_compile, str) and jit_compile == "auto":
        return gains_from_xla(model)
    if not isinstance(jit_compile, bool | np.bool_):
        raise arguments.refuse(
            "jit_compile",
            jit_compile,
            "a bool or 'auto'",
            "Pass `jit_compile='auto'`.",
        )
    return bool(jit_compile)
