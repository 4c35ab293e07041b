"""Folding BatchNormalization at inference into the layer before it."""

import collections
import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_sharpness.metrics.loss.batch_norm import batch_norm_layers
from keras_sharpness.metrics.loss.callers_code import runs_callers_code
from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)

_LINEAR = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Dense,
)
# Rows of a Dense layer's outputs, to one of its kernel, from which scaling the
# kernel costs less than scaling the outputs: with 2 and 4 the gradient of F1
# took 0.93 and 0.91 of the time and its products 0.95, with 1 blocks took 1.08.
_ROWS_THAT_GAIN = 1.5

Pair = tuple[keras.layers.Layer, keras.layers.Layer]


def foldable_pairs(model: keras.Model) -> list[Pair]:
    """Linear layers with the BatchNormalization that alone reads their output.

    At inference `BN(x ∗ W + b) = x ∗ (W s) + (b − m) s + β`, `s = γ∕√(v + ε)`,
    which saves two passes over the activations, four in the gradient and more
    in a Hessian product. Nothing is folded where anything else could see the
    folded kernel: regularisers, layers that share it, code of the caller's in
    the model. Whether the loss could see it is for who calls to know.

    Args:
        model: Built `keras.Model`.

    Returns:
        List of (convolution or Dense layer, BatchNormalization).
    """
    if runs_callers_code(model):
        return []
    layers = list(model._flatten_layers())
    shared = _shared_variables(layers)
    pairs = []
    for norm in batch_norm_layers(model):
        if len(norm._inbound_nodes) != 1 or norm.renorm:
            continue
        (node,) = norm._inbound_nodes
        if len(node.parent_nodes) != 1:
            continue
        linear = node.parent_nodes[0].operation
        if _is_foldable(linear, norm) and not shared.intersection(
            map(id, linear.variables)
        ):
            pairs.append((linear, norm))
    outputs = {
        id(tensor)
        for layer in layers
        if isinstance(layer, keras.Model) and hasattr(layer, "outputs")
        for tensor in keras.tree.flatten(layer.outputs)
    }
    return [
        (linear, norm)
        for linear, norm in pairs
        if id(linear._inbound_nodes[0].output_tensors[0]) not in outputs
    ]


def _is_foldable(linear: Any, norm: keras.layers.Layer) -> bool:
    if type(linear) not in _LINEAR or linear.activation is not _identity:
        return False
    if len(linear._inbound_nodes) != 1 or len(linear._outbound_nodes) != 1:
        return False
    regularizers = [v.regularizer for v in linear.trainable_variables]
    if any((*regularizers, linear.activity_regularizer)):
        return False
    if getattr(linear, "lora_enabled", False) or linear.quantization_mode:
        return False
    rank = len(linear._inbound_nodes[0].output_tensors[0].shape)
    channels_last = getattr(linear, "data_format", "channels_last")
    return (
        channels_last == "channels_last"
        and norm.axis in (-1, rank - 1)
        and linear.compute_dtype == linear.variable_dtype == norm.compute_dtype
    )


_identity = keras.activations.get("linear")


def _shared_variables(layers: list[keras.layers.Layer]) -> set[int]:
    """The identities of variables that several layers hold."""
    count = collections.Counter(
        identity
        for layer in layers
        # Whatever sets it, Keras tracks it among a layer's own or not.
        for identity in {
            id(value)
            for value in (*vars(layer).values(), *layer._trainable_variables)
            if isinstance(value, keras.Variable)
        }
    )
    return {identity for identity, times in count.items() if times > 1}


def gaining_pairs(pairs: list[Pair], num_samples: int | None) -> list[Pair]:
    """Those of some pairs that take less time as one layer.

    Convolutions always do, for their kernels are small.

    Args:
        pairs: From `foldable_pairs`.
        num_samples: Int, samples in a batch; None if that is not known.

    Returns:
        List of the pairs that gain.
    """

    def gains(linear: keras.layers.Layer) -> bool:
        if type(linear) is not keras.layers.Dense:
            return True
        _, *inner, _ = linear._inbound_nodes[0].output_tensors[0].shape
        if num_samples is None or None in inner:
            return False
        rows = num_samples * math.prod(inner)
        return rows >= _ROWS_THAT_GAIN * linear._kernel.shape[0]

    return [pair for pair in pairs if gains(pair[0])]


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

    def passing(call: Callable, inputs: Any, *_: Any, shift: Any, **__: Any):
        del call
        return inputs if shift is None else inputs + shift

    mapping, shifts = [], []
    for linear, norm in pairs:
        scale = keras.ops.rsqrt(value_of(norm.moving_variance) + norm.epsilon)
        if norm.scale:
            scale = scale * value_of(norm.gamma)
        shift = -value_of(norm.moving_mean) * scale
        if norm.center:
            shift = shift + value_of(norm.beta)
        mapping.append((linear._kernel, value_of(linear._kernel) * scale))
        if linear.bias is not None:
            mapping.append((linear.bias, value_of(linear.bias) * scale + shift))
            shift = None
        shifts.append(shift)
    with contextlib.ExitStack() as stack:
        for (_, norm), shift in zip(pairs, shifts, strict=True):
            call = functools.partial(passing, shift=shift)
            stack.enter_context(replaced_functions(norm, call=call))
        yield mapping
