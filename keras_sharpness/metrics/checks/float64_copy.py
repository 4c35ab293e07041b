"""A copy of a model, or of an objective, that computes in float64."""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.other_data import losses_of, rebuilt
from keras_sharpness.models.first_call import CALL_FAILURES

_FLOATS = ("float16", "bfloat16", "float32", "mixed_float16", "mixed_bfloat16")
# What layers and models of the caller's own are known to raise when they are
# built from their configuration, or when they mix in float32 constants.
_CANNOT_COPY = (*CALL_FAILURES, ArithmeticError)


class NoFloat64CopyError(Exception):
    """The model cannot be copied to float64; the message says why."""


def float64_objective(
    objective: Objective, batches: Sequence[Batch], w: np.ndarray
) -> Objective:
    """An objective of a float64 copy of the model, on some batches.

    Args:
        objective: `Objective`.
        batches: Sequence of `Batch`.
        w: Array (P,). Where the copy must have the loss of the original.

    Returns:
        `Objective`.

    Raises:
        NoFloat64CopyError: If there is no such copy, or if it is not the same
            function.
    """
    model = objective.model
    twin = float64_copy(model, batches[0].x)
    cast = [
        Batch(*in_float64(tuple(batch[:3])), batch.size) for batch in batches
    ]
    try:
        exact = rebuilt(
            objective, twin, cast, float64_loss(losses_of(objective))
        )
        # Some operations have no float64 kernel, some only no gradient.
        value = exact.value_and_gradient(w)[0]
    except _CANNOT_COPY as error:
        raise NoFloat64CopyError(_one_line(error)) from error
    expected = objective.value_and_gradient(w)[0]
    # Rounding of the narrower dtype, ample: another function differs more.
    allowed = 10 * np.sqrt(np.finfo(np.float32).eps)
    if abs(value - expected) > allowed * max(abs(expected), 1.0):
        raise NoFloat64CopyError(
            f"the copy has the loss {value:.6g}, the model {expected:.6g}"
        )
    return exact


def float64_copy(model: keras.Model, x: Any) -> keras.Model:
    """A copy of `model` with the same weights, all of it in float64.

    The copy is built from the model's configuration, in which every floating
    dtype is replaced, by a thread of its own: Keras keeps its default dtype,
    its counters of layer names and its scopes per thread, so that the caller's
    stay as they are whatever happens. The loss the model was compiled with is
    copied too. Memory: 8 bytes for each weight.

    Args:
        model: Built `keras.Model`.
        x: Inputs of one batch, nested tensors, on which the copy is built.

    Returns:
        The copy.

    Raises:
        NoFloat64CopyError: If the configuration does not describe the model.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_sharpness.metrics.checks.float64_copy import float64_copy

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    twin = float64_copy(model, np.ones((1, 3)))
    assert twin(np.ones((1, 3))).dtype == "float64"
    assert np.array_equal(twin.get_weights()[0], model.get_weights()[0])
    ```
    """
    try:
        twin = _in_thread(lambda: _build(model, in_float64(x)))
    except _CANNOT_COPY as error:
        raise NoFloat64CopyError(_one_line(error)) from error
    for of_twin, of_model in (
        (twin.trainable_variables, model.trainable_variables),
        (twin.non_trainable_variables, model.non_trainable_variables),
    ):
        if [v.shape for v in of_twin] != [v.shape for v in of_model]:
            raise NoFloat64CopyError(
                "the configuration builds another list of variables"
            )
        for new, old in zip(of_twin, of_model, strict=True):
            if new.dtype in _FLOATS:
                raise NoFloat64CopyError(f"{new.path} stays {new.dtype}")
            new.assign(keras.ops.cast(old, new.dtype))
    for layer in twin._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            # It computes with constants made from its variables.
            layer.finalize_state()
    return twin


def float64_loss(loss: Any) -> Any:
    """`loss` as `keras.Model.compile` takes it, computing in float64.

    A Keras loss casts what it is given to its own dtype, the default one of
    the time when it was made.

    Args:
        loss: Str, callable, `keras.losses.Loss`, or nested ones.

    Returns:
        The same with copies of the `Loss` objects.
    """

    def convert(item):
        if not isinstance(item, keras.losses.Loss):
            return item
        # `copy.copy` would go through a file, which knows no lambdas.
        twin = object.__new__(type(item))
        vars(twin).update(vars(item))
        twin._dtype_policy = keras.dtype_policies.get("float64")
        twin._dtype = "float64"
        return twin

    return keras.tree.map_structure(convert, loss)


def in_float64(tensors: Any) -> Any:
    """Nested tensors, the floating ones cast to float64; None stays."""

    def convert(tensor):
        if tensor is None:
            return None
        tensor = keras.ops.convert_to_tensor(tensor)
        is_float = keras.backend.is_float_dtype(tensor.dtype)
        return keras.ops.cast(tensor, "float64") if is_float else tensor

    return keras.tree.map_structure(convert, tensors)


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Keras says first in which layer, then what.
    return f"{type(error).__name__}: {' '.join(lines[:2])[:200]}"


def _build(model: keras.Model, x: Any) -> keras.Model:
    keras.config.set_dtype_policy("float64")
    # The functions are the caller's own, from memory, not from a file.
    keras.config.enable_unsafe_deserialization()
    with keras.saving.custom_object_scope(_own_objects(model)):
        twin = type(model).from_config(_with_float64(model.get_config()))
        # Also builds what is built at the first call only.
        twin(
            keras.tree.map_structure(lambda tensor: tensor[:1], x),
            training=False,
        )
    if getattr(model, "loss", None) is not None:
        twin.compile(
            loss=float64_loss(model.loss),
            loss_weights=model._compile_loss._user_loss_weights,
        )
        _build_loss_in_float64(twin)
    return twin


def _build_loss_in_float64(twin: keras.Model) -> None:
    # Names and functions become `Loss` objects, of the default dtype, when the
    # compiled loss sees its first targets.
    compiled = twin._compile_loss
    compiled._dtype = "float64"
    original = compiled.build

    def build(y_true, y_pred):
        original(y_true, y_pred)
        compiled._flat_losses[:] = [
            part._replace(loss=float64_loss(part.loss))
            for part in compiled._flat_losses
        ]

    object.__setattr__(compiled, "build", build)


def _with_float64(config: Any, key: str = "") -> Any:
    """A model's configuration with float64 for every floating dtype."""
    if "dtype" in key:
        name = config
        if isinstance(config, dict):  # a serialized policy
            name = config.get("config", {}).get("name")
        return "float64" if name in _FLOATS else config
    if isinstance(config, dict):
        return {name: _with_float64(config[name], name) for name in config}
    if isinstance(config, list | tuple):
        return type(config)(_with_float64(item) for item in config)
    return config


def _own_objects(model: keras.Model) -> dict[str, Any]:
    """Classes and functions that Keras would not find by their names."""
    found = {}
    for layer in model._flatten_layers():
        for item in (layer, *vars(layer).values()):
            if not hasattr(item, "__name__"):
                item = type(item)
            if callable(item) and item.__module__ is not None:
                found[item.__name__] = item
    return {
        name: item
        for name, item in found.items()
        # Those are found, and under other names where there are two.
        if not (isinstance(item, type) and _is_known(item.__module__))
    }


def _is_known(module: str) -> bool:
    return module.partition(".")[0] in ("keras", "builtins", "numpy")


def _in_thread(function: Callable[[], Any]) -> Any:
    """What `function` returns or raises, called by a thread of its own."""
    with _same_random_state(), ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@contextlib.contextmanager
def _same_random_state() -> Iterator[None]:
    # Initialisers without a seed draw one from Python's generator.
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
