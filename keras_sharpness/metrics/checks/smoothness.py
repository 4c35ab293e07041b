"""Where the loss has kinks, and where its gradient is cut off."""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.forgotten_gradients import (
    forgotten_gradients,
)
from keras_sharpness.metrics.backend.tensorflow.graphs import needed_operations
from keras_sharpness.metrics.checks.precision import epsilon
from keras_sharpness.metrics.objective import Objective

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
_FLOATS = {
    t.as_datatype_enum: t.name
    for t in (tf.float16, tf.bfloat16, tf.float32, tf.float64)
}


@dataclasses.dataclass(frozen=True)
class Smoothness:
    """Operations on values that depend on the trainable weights.

    Attributes:
        kinks: Tuple of str, `"layer (operation)"`: piecewise linear.
        cuts: Tuple of str, `"layer (operation)"`: without a derivative.
        narrowed: Dict of the dtypes, e.g. `"float32"`, that wider values are
            cast to, each with a tuple of the layers that do.
    """

    kinks: tuple[str, ...]
    cuts: tuple[str, ...]
    narrowed: dict[str, tuple[str, ...]]


def smoothness(objective: Objective) -> Smoothness:
    """What of the loss is not smooth, found in its graph.

    The graph holds what layers of the caller's own do as well, whatever their
    names. It is traced for one batch, without being run.

    Args:
        objective: `Objective`.

    Returns:
        A `Smoothness`.
    """
    model = objective.model
    batch = next(iter(objective._batches))
    weights, state = (
        [tf.TensorSpec(v.shape, v.dtype) for v in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
        )
    )

    def value(*arguments: Any) -> tf.Tensor:
        with forgotten_gradients():
            return objective._batch_loss.value(*arguments)

    graph = (
        tf.function(value, autograph=False)
        .get_concrete_function(weights, state, *batch[:3])
        .graph
    )
    sources = [tensor.op.name for tensor in graph.inputs[: len(weights)]]
    names = {layer.name for layer in model._flatten_layers()}
    kinks, cuts = {}, {}
    nodes = list(_dependent(graph, sources))
    for node in nodes:
        for kind, found in ((_KINKS, kinks), (_CUTS, cuts)):
            if node.op in kind and node.attr["T"].type in _FLOATS:
                layer = _layer_of(node.name, names)
                # A dict keeps the order of the forward pass, once each.
                found[f"{layer} ({node.op})"] = None
    return Smoothness(
        kinks=tuple(kinks), cuts=tuple(cuts), narrowed=_narrowed(nodes, names)
    )


def narrowed(objective: Objective) -> dict[str, tuple[str, ...]]:
    """Where an objective computes in a narrower dtype than that of its weights.

    As `Smoothness.narrowed`, from the gradient, which is compiled anyhow.

    Args:
        objective: `Objective`.

    Returns:
        Dict of dtypes to the layers that cast to them.
    """
    batch = next(iter(objective._batches))
    graph = (
        objective._gradient_of_batch()
        .get_concrete_function(*batch[:3], objective._share(batch))
        .graph
    )
    weights = {id(v.handle) for v in objective._point._weights}
    sources = [
        inner.op.name for outer, inner in graph.captures if id(outer) in weights
    ]
    names = {layer.name for layer in objective.model._flatten_layers()}
    return _narrowed(_dependent(graph, sources), names)


def _narrowed(
    nodes: Iterable[Any], layers: set[str]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for node in nodes:
        # Derivatives go the same way back.
        if node.op != "Cast" or node.name.startswith("gradient_tape/"):
            continue
        before, after = (
            _FLOATS.get(node.attr[key].type) for key in ("SrcT", "DstT")
        )
        if before and after and epsilon(after) > epsilon(before):
            layer = _layer_of(node.name, layers)
            found.setdefault(after, {})[layer] = None
    return {dtype: tuple(places) for dtype, places in found.items()}


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in a sentence, the first few of many."""
    names = list(names)
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


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
