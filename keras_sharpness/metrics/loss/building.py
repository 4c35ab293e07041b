"""The weights of a model that has not seen data yet."""

from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.metrics.batches import Batch, Batches, as_yielded


def is_built(model: keras.Model) -> bool:
    """Whether a model has its weights.

    One without a `call`, whose parts only its own `train_step` calls, never
    counts as built for Keras: its parts do.

    Args:
        model: `keras.Model`.

    Returns:
        Bool.
    """
    if model.built or type(model).call is not keras.Model.call:
        return model.built
    layers = list(model._flatten_layers(include_self=False))
    return bool(layers) and all(layer.built for layer in layers)


def build(model: keras.Model, batches: Batches, loss_fn: Any) -> None:
    """Makes the weights of a model, as its first batch in `fit` would.

    The data are read to the end: a data set that is cached while it is read
    keeps what it holds only then. Seed generators and moving statistics stay
    as they are.

    Args:
        model: `keras.Model` that is not built.
        batches: `Batches`.
        loss_fn: Callable `(model, batch)` that calls the model, or None.

    Raises:
        ValueError: If the model cannot be called on the data.
    """
    first = None
    for batch in batches:
        first = first or batch
    try:
        if loss_fn is None and not _build_symbolically(model, first):
            with keras.StatelessScope():
                model(first.x, training=False)
        elif loss_fn is not None:
            with keras.StatelessScope():
                loss_fn(model, as_yielded(*first[:3]))
    except (
        LookupError,
        NotImplementedError,
        TypeError,
        ValueError,
        tf.errors.OpError,
    ) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"The weights of model {model.name!r} are not built yet, and "
            "calling it on a batch of `x` fails. Call the model on a batch, "
            "or pass `loss_fn=` if its parts are called by a `train_step`. "
            f"Received: {type(error).__name__}: {reason}"
        ) from error


def _build_symbolically(model: keras.Model, batch: Batch) -> bool:
    """Builds for batches of any size; says whether that could be done."""
    tensors = keras.tree.flatten(batch.x)
    if not all(isinstance(tensor, tf.Tensor) for tensor in tensors):
        return False
    try:
        model(
            keras.tree.map_structure(
                lambda tensor: keras.KerasTensor(
                    (None, *tensor.shape[1:]),
                    keras.backend.standardize_dtype(tensor.dtype),
                ),
                batch.x,
            ),
            training=False,
        )
    except Exception:
        # Code of the caller's own that asks for the size of a batch.
        return False
    return model.built
