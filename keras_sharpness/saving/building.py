"""What a model would take, found by building it without any memory."""

import concurrent.futures
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras

from keras_sharpness.saving.configuration import Node, nodes

_SEQUENTIAL = "keras_sharpness>SequentialAtOnce"
_ITEM_BYTES = {
    "bfloat16": 2,
    "bool": 1,
    "float16": 2,
    "float32": 4,
    "int8": 1,
    "int32": 4,
    "uint8": 1,
    "uint32": 4,
}


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a model takes once it is made and called.

    Attributes:
        weights: Int. How many weights it makes.
        weight_bytes: Int. How many bytes they take.
        activations: Int. How many numbers its layers return for one sample;
            sizes that are not known count as one.
    """

    weights: int
    weight_bytes: int
    activations: int


class _SequentialAtOnce:
    """Makes a `keras.Sequential` with all of its layers at once.

    `keras.Sequential.from_config` adds one layer after the other, and builds
    the whole model anew for each.
    """

    @classmethod
    def from_config(cls, config: Node) -> keras.Sequential:
        layers = [
            keras.saving.deserialize_keras_object(layer)
            for layer in config["layers"]
        ]
        model = keras.Sequential(layers, name=config["name"])
        shape = config.get("build_input_shape")
        if not model.built and isinstance(shape, list) and shape:
            model.build(shape)
        return model


# What Keras needs to make a model of a configuration from `for_building`.
BUILDERS = {_SEQUENTIAL: _SequentialAtOnce}


def for_building(config: Node) -> Node:
    """A configuration that is built in a time linear in its layers.

    Args:
        config: Dict, the configuration of a whole file; changed in place.

    Returns:
        The same dict, to be read by Keras with `BUILDERS` as custom objects.
    """
    for node in nodes(config):
        if (node.get("module"), node.get("class_name")) == (
            "keras",
            "Sequential",
        ):
            node["registered_name"] = _SEQUENTIAL
    return config


def needs(config: Node) -> Needs:
    """Builds a model without memory for its weights, and counts.

    Args:
        config: Dict from `for_building`, which is used up.

    Returns:
        `Needs`.
    """
    # Weights that are made without values are noted in a list of the thread
    # and made in earnest later on; the list dies with the thread.
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(_needs, config).result()


def _needs(config: Node) -> Needs:
    for node in nodes(config):
        # Optimizers count in the open, and are as large as what they train.
        node.pop("compile_config", None)
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(
            config, custom_objects=BUILDERS, safe_mode=True
        )
        graph = _graph(model)
        activations = 0 if graph is None else _activations(graph)
    sizes = [(math.prod(v.shape), v.dtype) for v in model.variables]
    num_bytes = sum(n * _ITEM_BYTES.get(dtype, 8) for n, dtype in sizes)
    return Needs(sum(n for n, _ in sizes), num_bytes, activations)


def _graph(operation: Any) -> keras.Function | None:
    """The calls that a model consists of; None for layers."""
    if isinstance(operation, keras.Sequential):
        return operation._functional
    return operation if isinstance(operation, keras.Function) else None


def _activations(graph: keras.Function) -> int:
    """Numbers that the calls of a graph return, on the inputs it was made of.

    Calls inside of its layers are counted, too.
    """
    total = 0
    for calls in graph._nodes_by_depth.values():
        for call in calls:
            if not call.is_input:
                arguments = call.arguments.args, call.arguments.kwargs
                total += _size(call.output_tensors)
                total += _inside(call.operation, arguments)
    return total


def _inside(operation: Any, arguments: Any) -> int:
    """Numbers that a call makes and does not return."""
    inputs = list(_tensors(arguments))
    shapes = [tensor.shape for tensor in inputs]
    if isinstance(operation, keras.layers.TimeDistributed):
        steps, graph = shapes[0][1] or 1, _graph(operation.layer)
        if graph is None:
            return 0
        inner = [(shapes[0][0], *shapes[0][2:])]
        return steps * _called_on(graph, inner, inputs)
    graph = _graph(operation)
    if graph is not None:
        return _called_on(graph, shapes, inputs)
    return _scores(operation, shapes) + _channels(operation, shapes)


def _called_on(graph: keras.Function, shapes: list, inputs: list) -> int:
    """Numbers that a model makes of inputs of those shapes."""
    if [tensor.shape for tensor in graph.inputs] == shapes:
        return _activations(graph)
    total = 0

    def counted(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal total
            found = operation.compute_output_spec(*args, **kwargs)
            total += _size(found) + _inside(operation, (args, kwargs))
            return found

        return call

    given = [
        keras.KerasTensor(shape, dtype=tensor.dtype)
        for shape, tensor in zip(shapes, inputs, strict=True)
    ]
    graph._run_through_graph(given, operation_fn=counted)
    return total


def _scores(operation: Any, shapes: list) -> int:
    """Numbers with which attention weighs each place for each other one."""
    layers = keras.layers
    kinds = {
        layers.MultiHeadAttention: "num_heads",
        layers.GroupQueryAttention: "num_query_heads",
        layers.Attention: "",
        layers.AdditiveAttention: "",
    }
    if type(operation) not in kinds or not shapes:
        return 0
    query, value = shapes[0], shapes[min(1, len(shapes) - 1)]
    places = _product(query[1:-1]) * _product(value[1:-1])
    if isinstance(operation, layers.AdditiveAttention):
        return places * _product(query[-1:])
    return places * getattr(operation, kinds[type(operation)] or "_", 1)


def _channels(operation: Any, shapes: list) -> int:
    """Numbers between the two parts of a separable convolution."""
    kinds = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
    if not isinstance(operation, kinds):
        return 0
    return _product(shapes[0]) * operation.depth_multiplier


def _size(tensors: Any) -> int:
    return sum(_product(tensor.shape) for tensor in _tensors(tensors))


def _product(shape: Any) -> int:
    return math.prod(1 if size is None else size for size in shape)


def _tensors(value: Any) -> Iterator[keras.KerasTensor]:
    for tensor in keras.tree.flatten(value):
        if isinstance(tensor, keras.KerasTensor):
            yield tensor
