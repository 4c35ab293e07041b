"""What BatchNormalization does while a model is measured."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Literal

import keras

from keras_sharpness import arguments

BatchNormMode = Literal["inference", "batch", "recalibrate"]


def batch_norm_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """All BatchNormalization layers of a model, nested ones included.

    Args:
        model: A `keras.Model`.

    Returns:
        The layers, in the order in which the model holds them.
    """
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def check_mode(mode: str, model: keras.Model) -> BatchNormMode:
    """`mode`, if it can be applied to `model`.

    Args:
        mode: Str. One of `"inference"`, `"batch"`, `"recalibrate"`.
        model: The `keras.Model` to measure.

    Returns:
        The mode.

    Raises:
        ValueError: For an unknown mode, and for layers that the mode cannot
            be applied to.
    """
    arguments.one_of("batch_norm", mode, BatchNormMode)
    if mode != "inference":
        for layer in batch_norm_layers(model):
            if layer.renorm:
                raise ValueError(
                    f"`batch_norm={mode!r}` is not defined for layer "
                    f"{layer.name!r}, which uses batch renormalization. Pass "
                    "`batch_norm='inference'`."
                )
            if mode == "recalibrate" and layer.momentum == 1.0:
                raise ValueError(
                    f"Layer {layer.name!r} has momentum 1, so its moving "
                    "statistics never move. Pass `batch_norm='inference'`."
                )
    return mode


@contextlib.contextmanager
def batch_statistics(model: keras.Model) -> Iterator[None]:
    """Within the block this thread's calls normalise by batch statistics.

    Every BatchNormalization layer behaves as in training while all other
    layers (dropout among them) keep the `training` they are called with.
    Frozen layers use their moving statistics, as they do in training.

    Args:
        model: The `keras.Model` that is called in the block.

    Yields:
        Nothing.
    """
    thread = threading.get_ident()

    def training_call(call):
        def wrapper(inputs, training=None, mask=None):
            # The layers are shared with whoever else runs this model now.
            if threading.get_ident() == thread:
                training = True
            return call(inputs, training=training, mask=mask)

        return wrapper

    layers = batch_norm_layers(model)
    try:
        for layer in layers:
            # Past Keras' own `__setattr__`, which tracks what is assigned.
            object.__setattr__(layer, "call", training_call(layer.call))
        yield
    finally:
        for layer in layers:
            vars(layer).pop("call", None)
