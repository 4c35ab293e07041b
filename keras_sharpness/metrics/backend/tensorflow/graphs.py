"""Traced graphs: which operations follow, how large they are, parts of them."""

import math
from collections.abc import Collection, Container, Iterable, Mapping, Set
from typing import Any

import tensorflow as tf

# Samples in a batch, where nothing but proportions counts.
TYPICAL_BATCH = 128


def operation_types(text: str) -> frozenset[str]:
    """Names of TensorFlow's operations, from a text of them."""
    return frozenset(text.split())


def needed_operations(
    tensors: Iterable[Any], known: Container[str] = ()
) -> set[str]:
    """Operations of a graph that tensors are computed from.

    Args:
        tensors: Tensors of one graph.
        known: Names of tensors of it behind which nothing is needed.

    Returns:
        Set of names.
    """
    needed: set[str] = set()
    stack = list(tensors)
    while stack:
        tensor = stack.pop()
        if tensor.name not in known and tensor.op.name not in needed:
            needed.add(tensor.op.name)
            stack.extend(tensor.op.inputs)
    return needed


def dependent_operations(
    given: Iterable[str], outputs: Iterable[Any]
) -> dict[str, Any]:
    """The operations of a graph between given tensors and outputs.

    Args:
        given: Names of tensors.
        outputs: Tensors of the same graph.

    Returns:
        Dict of names to operations, those that compute the given tensors
        included.
    """
    outputs = list(outputs)
    if not outputs:
        return {}
    depends = {name.split(":")[0] for name in given}
    for operation in outputs[0].graph.get_operations():
        if any(tensor.op.name in depends for tensor in operation.inputs):
            depends.add(operation.name)
    between: dict[str, Any] = {}
    stack = [tensor.op for tensor in outputs]
    while stack:
        operation = stack.pop()
        if operation.name in depends and operation.name not in between:
            between[operation.name] = operation
            stack += [tensor.op for tensor in operation.inputs]
    return between


def tensor_bytes(tensor: Any, batch_size: int = TYPICAL_BATCH) -> int:
    """Bytes of a tensor, 0 if the graph does not know its rank.

    Args:
        tensor: Tensor of a graph.
        batch_size: Int. For axes whose length the graph leaves open.

    Returns:
        Int.
    """
    if tensor.shape.rank is None:
        return 0
    return tensor.dtype.size * math.prod(
        batch_size if length is None else length
        for length in tensor.shape.as_list()
    )


def mean_bytes(
    function: Any, batch_size: int, *, without: Collection[tuple] = ()
) -> float:
    """Bytes that an operation of a graph puts out, on average.

    Args:
        function: TensorFlow concrete function.
        batch_size: Int. For axes whose length the graph leaves open.
        without: Shapes of tensors that are not counted.

    Returns:
        Float.
    """
    each = [
        sum(
            tensor_bytes(tensor, batch_size)
            for tensor in operation.outputs
            if tensor.shape.rank is None
            or tuple(tensor.shape.as_list()) not in without
        )
        for operation in function.graph.get_operations()
        if operation.type not in ("Placeholder", "Const")
    ]
    return sum(each) / max(len(each), 1)


class Subgraph:
    """Some operations of a traced graph, to be computed elsewhere.

    Control dependencies are dropped: what is asked for is computed, and
    nothing else. So are wishes to stand beside an operation, which need not be
    among them.

    Args:
        graph: `tf.Graph`, as it is now.
        names: Names of operations of it; placeholders among them do not count.
    """

    def __init__(self, graph: tf.Graph, names: Set[str]):
        definition = graph.as_graph_def()
        self._part = tf.compat.v1.GraphDef()
        self._part.versions.CopyFrom(definition.versions)
        self._part.library.CopyFrom(definition.library)
        for node in definition.node:
            if node.name in names and node.op != "Placeholder":
                copy = self._part.node.add()
                copy.CopyFrom(node)
                copy.attr.pop("_class", None)
                inputs = [i for i in node.input if not i.startswith("^")]
                del copy.input[:]
                copy.input.extend(inputs)
        self._used = {i for node in self._part.node for i in node.input}

    def compute(
        self, known: Mapping[str, Any], outputs: Iterable[str]
    ) -> list[Any]:
        """Puts the operations into the graph that is traced now.

        Args:
            known: Dict. Names of tensors of the operations' own graph to
                those that take their place: all that they need from outside.
            outputs: Names of tensors of their own graph.

        Returns:
            List of tensors of the graph that is traced now, for `outputs`.
        """
        outputs = list(outputs)
        inside = {
            name: known[name]
            for name in known
            if name.removesuffix(":0") in self._used
        }
        computed = [name for name in outputs if name not in known]
        found = dict(
            zip(
                computed,
                tf.graph_util.import_graph_def(
                    self._part, inside, return_elements=computed, name=""
                ),
                strict=True,
            )
        )
        return [known[n] if n in known else found[n] for n in outputs]
