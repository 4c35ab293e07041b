"""What a model asks of its first call: its weights, the size of a batch."""

import warnings
from collections.abc import Callable
from typing import Any

import keras

from keras_sharpness.reasons import framework_errors, short_reason

# What code of the caller's own may raise when it is called.
CALL_FAILURES: tuple[type[Exception], ...] = (
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
    *framework_errors(),
)


def declared_batch_size(model: keras.Model) -> int | None:
    """The size of a batch that stands in a model's inputs.

    It need not bind: a `Sequential` without an `Input` takes down the size of
    its first batch, and goes on with any other.

    Args:
        model: `keras.Model`.

    Returns:
        Int, or None where the inputs leave it open.
    """
    sizes = [
        tensor.shape[0]
        for tensor in keras.tree.flatten(getattr(model, "inputs", None) or [])
        if len(tensor.shape) and tensor.shape[0] is not None
    ]
    return int(sizes[0]) if sizes else None


def is_built(model: keras.Model) -> bool:
    """Whether a model has its weights.

    One without a `call`, whose parts only its own `train_step` calls, never
    counts as built for Keras: its parts do.

    Args:
        model: `keras.Model`.

    Returns:
        Bool.
    """
    if type(model).call is not keras.Model.call:
        return model.built
    layers = list(model._flatten_layers(include_self=False))
    return bool(layers) and all(layer.built for layer in layers)


def build(
    model: keras.Model, x: Any, call_parts: Callable[[], Any] | None = None
) -> None:
    """Makes the weights of a model, as its first batch in `fit` would.

    Seed generators and moving statistics stay as they are.

    Args:
        model: `keras.Model` that is not built.
        x: Inputs of a batch, nested tensors.
        call_parts: Callable that calls the model, or the parts of a model that
            has no `call`, on the batch.

    Raises:
        ValueError: If the model cannot be called on the data.
    """
    has_call = type(model).call is not keras.Model.call
    try:
        if call_parts is not None:
            with keras.StatelessScope():
                call_parts()
        elif has_call and not _build_for_any_size(model, x):
            with keras.StatelessScope():
                model(x, training=False)
    except CALL_FAILURES as error:
        raise ValueError(
            f"The weights of model {model.name!r} are not built yet, and "
            "calling it on a batch of `x` fails. Call the model on a batch "
            f"first. Received: {type(error).__name__}: {short_reason(error)}"
        ) from error
    if not is_built(model):
        raise ValueError(
            f"The weights of model {model.name!r} are not built yet"
            + (
                ", nor does calling it build them. Call it on a batch first."
                if has_call
                else ", and it has no `call`. Pass `loss_fn=`, a function "
                "(model, batch) that calls its parts and returns the loss."
            )
        )


def _build_for_any_size(model: keras.Model, x: Any) -> bool:
    """Builds without a size of the batch; says whether that could be done."""
    # Ragged and sparse tensors have a shape that is not theirs alone.
    if not all(
        keras.ops.is_tensor(t) and hasattr(t, "__array__")
        for t in keras.tree.flatten(x)
    ):
        return False
    try:
        with warnings.catch_warnings():
            # Keras', where the layers cannot tell what they build.
            warnings.simplefilter("ignore")
            model(keras.tree.map_structure(_of_any_size, x), training=False)
    except CALL_FAILURES:
        # Code of the caller's own that asks for the size of a batch.
        return False
    return model.built


def _of_any_size(tensor: Any) -> keras.KerasTensor:
    return keras.KerasTensor(
        (None, *tensor.shape[1:]),
        keras.backend.standardize_dtype(tensor.dtype),
    )
