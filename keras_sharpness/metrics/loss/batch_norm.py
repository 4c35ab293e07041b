"""What BatchNormalization does while a model is measured."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal

import keras

from keras_sharpness import arguments
from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)

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
    Frozen layers use their moving statistics, as they do in training. A layer
    that is called several times normalises each call by its own statistics; of
    entries with a mask it takes the valid ones.

    Args:
        model: The `keras.Model` that is called in the block.

    Yields:
        Nothing.
    """
    with contextlib.ExitStack() as stack:
        for layer in batch_norm_layers(model):
            # The caller's own kinds need not have the argument.
            if "training" in inspect.signature(layer.call).parameters:
                stack.enter_context(
                    replaced_functions(layer, call=_in_training)
                )
        yield


def _in_training(
    call: Callable, inputs: Any, *others: Any, **options: Any
) -> Any:
    if others:
        return call(inputs, True, *others[1:], **options)
    return call(inputs, **{**options, "training": True})
