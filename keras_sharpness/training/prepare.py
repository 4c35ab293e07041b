"""The arguments of a training, checked against each other."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments, targets
from keras_sharpness.models.first_call import (
    build,
    is_built,
)
from keras_sharpness.models.xla import gains_from_xla
from keras_sharpness.training import checks
from keras_sharpness.training.backend import Data, to_device
from keras_sharpness.training.compiling import (
    check_added,
    check_trainable,
    has_loss,
)
from keras_sharpness.training.fitting import (
    check_last_batch,
    check_masked,
    check_targets,
    check_validation,
    first_samples,
    outputs_of,
)
from keras_sharpness.training.plan import Plan


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
    probe = first_samples(model, arrays)
    if not is_built(model):
        build(model, to_device(probe.x))
    check_weights(model)
    if not needs_targets:
        check_added(model, probe.x)
    check_last_batch(model, arrays, num_samples % plan.batch_size)
    if loss is None and model.compiled:
        loss = model.loss
    outputs = outputs_of(model, probe.x)
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
