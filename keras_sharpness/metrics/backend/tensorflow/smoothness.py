"""Where a loss has kinks, and where its gradient is cut off, in its graph."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.forgotten_gradients import (
    forgotten_gradients,
)
from keras_sharpness.metrics.backend.tensorflow.graphs import needed_operations

# TensorFlow's operations that are piecewise linear, or pick one of several.
_KINKS = {
    "Abs",
    "ClipByValue",
    "Dilation2D",
    "LeakyRelu",
    "Max",
    "MaxPool",
    "MaxPool3D",
    "MaxPoolV2",
    "MaxPoolWithArgmax",
    "Maximum",
    "Min",
    "Minimum",
    "Relu",
    "Relu6",
    "SegmentMax",
    "Selu",
    "TopKV2",
    "UnsortedSegmentMax",
}
# Those through which no derivative passes.
_CUTS = {
    "ArgMax",
    "ArgMin",
    "Ceil",
    "Floor",
    "PreventGradient",
    "Rint",
    "Round",
    "Sign",
    "StopGradient",
}
# From the most to the least precise.
_FLOATS = [
    (t.as_datatype_enum, t.name)
    for t in (tf.float64, tf.float32, tf.float16, tf.bfloat16)
]
_FLOAT_ENUMS = [enum for enum, _ in _FLOATS]


def smoothness(
    model: keras.Model, loss: Callable[..., Any], *batch: Any
) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, tuple[str, ...]]]:
    """What of a loss is not smooth in the weights of its model.

    The graph holds what layers of the caller's own do as well, whatever their
    names. It is traced for one batch, without being run.

    Args:
        model: `keras.Model`.
        loss: Callable `(weights, state, *batch)` that returns a scalar tensor,
            the first two lists of tensors for the trainable and the other
            variables of the model.
        *batch: Nested tensors.

    Returns:
        Tuple of str, `"layer (operation)"`: what is piecewise linear; such a
        tuple of what has no derivative; and a dict of the dtypes, e.g.
        `"float32"`, that wider values are cast to, each with a tuple of the
        layers that do.
    """
    weights, state = (
        [tf.TensorSpec(v.shape, v.dtype) for v in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
        )
    )

    def value(*arguments: Any) -> tf.Tensor:
        with forgotten_gradients():
            return loss(*arguments)

    graph = (
        tf.function(value, autograph=False)
        .get_concrete_function(weights, state, *batch)
        .graph
    )
    sources = [tensor.op.name for tensor in graph.inputs[: len(weights)]]
    layers = {layer.name for layer in model._flatten_layers()}
    nodes = list(_dependent(graph, sources))
    return (
        _places(nodes, _KINKS, layers),
        _places(nodes, _CUTS, layers),
        _narrowing(nodes, layers),
    )


def _places(
    nodes: Iterable[Any], operations: set[str], layers: set[str]
) -> tuple[str, ...]:
    # A dict keeps the order of the forward pass, once each.
    found = {
        f"{_layer_of(node.name, layers)} ({node.op})": None
        for node in nodes
        if node.op in operations and node.attr["T"].type in _FLOAT_ENUMS
    }
    return tuple(found)


def _narrowing(
    nodes: Iterable[Any], layers: set[str]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for node in nodes:
        if node.op != "Cast":
            continue
        before, after = (node.attr[key].type for key in ("SrcT", "DstT"))
        if not {before, after} <= set(_FLOAT_ENUMS):
            continue
        place = _FLOAT_ENUMS.index(after)
        if place > _FLOAT_ENUMS.index(before):
            layer = _layer_of(node.name, layers)
            found.setdefault(_FLOATS[place][1], {})[layer] = None
    return {dtype: tuple(places) for dtype, places in found.items()}


def _dependent(graph: tf.Graph, sources: list[str]) -> Iterator[Any]:
    """Nodes between the sources and the outputs, those in loops included.

    Metrics that a compiled loss keeps up beside it do not count.
    """
    graph_def = graph.as_graph_def()
    functions = {f.signature.name: f for f in graph_def.library.function}
    needed = needed_operations(graph.outputs)
    reached = set(sources)
    # The nodes of a traced graph come in the order they were made in.
    for node in graph_def.node:
        inputs = {name.partition(":")[0] for name in node.input}
        if node.name not in needed:
            continue
        if node.name not in reached and not inputs & reached:
            continue
        reached.add(node.name)
        yield node
        yield from _inside(node, functions)


def _inside(node: Any, functions: dict[str, Any]) -> Iterator[Any]:
    for value in node.attr.values():
        function = functions.get(value.func.name)
        for inner in () if function is None else function.node_def:
            yield inner
            yield from _inside(inner, functions)


def _layer_of(name: str, layers: set[str]) -> str:
    """The innermost layer in whose name scope an operation stands."""
    *scopes, _ = name.split("/")
    for scope in reversed(scopes):
        # TensorFlow numbers a scope that is entered again, and Keras enters
        # that of a layer twice: to build it and to call it.
        for candidate in (re.sub(r"_\d+$", "", scope), scope):
            if candidate in layers:
                return candidate
    is_loss = "loss" in name or not scopes
    return "the loss" if is_loss else "/".join(scopes)
