"""Folding BatchNormalization at inference into the convolution before it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_sharpness.metrics.normalization.batch_norm import batch_norm_layers

# Not Dense: its kernel has as many entries as a batch of its outputs, so that
# scaling the one costs what scaling the other saves.
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)
_OWN = ("keras.", "keras_sharpness.")

Pair = tuple[keras.layers.Layer, keras.layers.Layer]


def foldable_pairs(model: keras.Model) -> list[Pair]:
    """Convolutions with the BatchNormalization that alone reads their output.

    At inference `BN(x ∗ W + b) = x ∗ (W s) + (b − m) s + β`, `s = γ∕√(v + ε)`,
    which saves two passes over the activations, four in the gradient and more
    in a Hessian product. Nothing is folded where anything else could see the
    folded kernel: regularisers, layers and losses of the caller's own.

    Args:
        model: Built `keras.Model`.

    Returns:
        List of (convolution, BatchNormalization).
    """
    layers = list(model._flatten_layers())
    foreign = any(
        not type(layer).__module__.startswith(_OWN) for layer in layers
    )
    if foreign or type(model).compute_loss is not keras.Model.compute_loss:
        return []
    pairs = []
    for norm in batch_norm_layers(model):
        if len(norm._inbound_nodes) != 1 or norm.renorm:
            continue
        (node,) = norm._inbound_nodes
        if len(node.parent_nodes) != 1:
            continue
        convolution = node.parent_nodes[0].operation
        if _is_foldable(convolution, norm):
            pairs.append((convolution, norm))
    outputs = {
        id(tensor)
        for layer in layers
        if isinstance(layer, keras.Model) and hasattr(layer, "outputs")
        for tensor in keras.tree.flatten(layer.outputs)
    }
    return [
        (convolution, norm)
        for convolution, norm in pairs
        if id(convolution._inbound_nodes[0].output_tensors[0]) not in outputs
    ]


def _is_foldable(convolution: Any, norm: keras.layers.Layer) -> bool:
    if (
        type(convolution) not in _CONVOLUTIONS
        or convolution.activation is not _identity
    ):
        return False
    if (
        len(convolution._inbound_nodes) != 1
        or len(convolution._outbound_nodes) != 1
    ):
        return False
    regularizers = ("kernel", "bias", "activity")
    if any(
        getattr(convolution, f"{name}_regularizer") for name in regularizers
    ):
        return False
    if (
        getattr(convolution, "lora_enabled", False)
        or convolution.quantization_mode
    ):
        return False
    rank = len(convolution._inbound_nodes[0].output_tensors[0].shape)
    channels_last = getattr(convolution, "data_format", "channels_last")
    return (
        channels_last == "channels_last"
        and norm.axis in (-1, rank - 1)
        and convolution.compute_dtype
        == convolution.variable_dtype
        == norm.compute_dtype
    )


_identity = keras.activations.get("linear")


@contextlib.contextmanager
def folded(
    pairs: list[Pair], value_of: Callable[[Any], Any]
) -> Iterator[list[tuple[Any, Any]]]:
    """Within the block the BatchNormalization of each pair does nothing more.

    Args:
        pairs: From `foldable_pairs`.
        value_of: Callable from a variable to its tensor.

    Yields:
        List of (variable, tensor): the kernels and biases that stand for both
        layers.
    """
    thread = threading.get_ident()

    def passing_call(call: Callable, shift: Any) -> Callable:
        def wrapper(inputs, training=None, mask=None):
            # The layers are shared with whoever else runs this model now.
            if threading.get_ident() != thread:
                return call(inputs, training=training, mask=mask)
            return inputs if shift is None else inputs + shift

        return wrapper

    mapping, shifts = [], []
    for convolution, norm in pairs:
        scale = keras.ops.rsqrt(value_of(norm.moving_variance) + norm.epsilon)
        if norm.scale:
            scale = scale * value_of(norm.gamma)
        shift = -value_of(norm.moving_mean) * scale
        if norm.center:
            shift = shift + value_of(norm.beta)
        mapping.append(
            (convolution._kernel, value_of(convolution._kernel) * scale)
        )
        if convolution.bias is not None:
            mapping.append(
                (convolution.bias, value_of(convolution.bias) * scale + shift)
            )
            shift = None
        shifts.append(shift)
    try:
        for (_, norm), shift in zip(pairs, shifts, strict=True):
            # Past Keras' own `__setattr__`, which tracks what is assigned.
            object.__setattr__(norm, "call", passing_call(norm.call, shift))
        yield mapping
    finally:
        for _, norm in pairs:
            vars(norm).pop("call", None)
