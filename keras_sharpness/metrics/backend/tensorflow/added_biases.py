"""Biases that a traced graph repeats for every sample before it adds them."""

from collections.abc import Collection, Iterable
from typing import Any

from keras_sharpness.metrics.backend.tensorflow.graph_nodes import (
    GraphNodes,
    fill,
    name_of,
)


def added_biases(
    names: Collection[str], outputs: Iterable[Any]
) -> dict[str, str]:
    """Sums in a graph of which a term repeats one vector.

    The derivative of `BiasAddGrad` is such a term, as large as the activations
    of its layer: a product with the Hessian adds the change of a bias. Added
    by `BiasAdd` it needs no memory, and TensorFlow lets the convolution before
    it do that.

    Args:
        names: Names of operations of one graph.
        outputs: Tensors of the same graph.

    Returns:
        Dict. The name of an `AddN` operation to that of the `Tile` operation
        among its terms, of which nothing else makes use.
    """
    outputs = list(outputs)
    if not outputs:
        return {}
    graph = outputs[0].graph
    direct = {tensor.op.name for tensor in outputs}
    found: dict[str, str] = {}
    for name in sorted(set(names) - direct):
        operation = graph.get_operation_by_name(name)
        if not _repeats_vector(operation):
            continue
        users = [u for u in operation.outputs[0].consumers() if u.name in names]
        if (
            len(users) == 1
            and users[0].type == "AddN"
            and len(users[0].inputs) > 1
            # One only, so that a term is left to add it to.
            and users[0].name not in found
        ):
            found[users[0].name] = name
    return found


def add_bias(nodes: GraphNodes, node: Any, *, tile: Any) -> None:
    """Makes a sum the sum of its other terms and a bias.

    Args:
        nodes: `GraphNodes` of the sum.
        node: `NodeDef`, the sum's, without the bias.
        tile: Operation that repeats the bias.
    """
    dtype = node.attr["T"].type
    terms = nodes.copy(node, f"{node.name}/terms")
    vector = nodes.reshape(
        f"{node.name}/vector", name_of(tile.inputs[0]), [-1], dtype
    )
    fill(node, "BiasAdd", [terms, vector], T=dtype, data_format=b"NHWC")


def _repeats_vector(operation: Any) -> bool:
    if operation.type != "Tile":
        return False
    before, after = operation.inputs[0].shape, operation.outputs[0].shape
    return (
        before.rank is not None
        and after.rank is not None
        and after.rank > 1
        and all(length == 1 for length in before[:-1])
        and before[-1] is not None
        and before[-1] == after[-1]
    )
