"""Products of matrices at the end of a graph that XLA had better leave."""

from collections.abc import Iterable
from typing import Any

# Of the product of two matrices, one multiplication and addition counting as
# two. Below, calling another operation costs what it gains.
_LARGE = 1e7
# From such products to the outputs, where they are as large as weights.
_CHEAP = frozenset({"AddN", "AddV2", "Identity", "Mul", "Neg", "Sum"})


def last_products(names: Iterable[str], outputs: Iterable[Any]) -> set[str]:
    """Large products `AᵀB` at the end of a graph, and what is made of them.

    Of a gradient, or a product with the Hessian, those of the activations and
    the co-tangents of a layer, which contract the samples: nothing but outputs
    follows from them, or their sums, and multiples where a kernel is scaled.
    On the CPU XLA takes 1.05 to 1.7 times as long for them as TensorFlow, 3
    times where B is narrow; other products of matrices are as fast, and what
    is around those is what XLA is for.

    Args:
        names: Names of operations of one graph.
        outputs: Tensors of the same graph.

    Returns:
        Set of names.
    """
    names = set(names)
    outputs = list(outputs)
    if not outputs:
        return set()
    inside = [
        operation
        for operation in outputs[0].graph.get_operations()
        if operation.name in names
    ]
    at_end: set[str] = set()
    for operation in reversed(inside):
        users = [
            user.name
            for tensor in operation.outputs
            for user in tensor.consumers()
            if user.name in names
        ]
        if all(user in at_end for user in users) and (
            _is_cheap(operation) or _is_large_product(operation)
        ):
            at_end.add(operation.name)
    found: set[str] = set()
    for operation in inside:
        if operation.name in at_end and (
            not _is_cheap(operation)
            or any(tensor.op.name in found for tensor in operation.inputs)
        ):
            found.add(operation.name)
    return found


def _is_large_product(operation: Any) -> bool:
    if operation.type != "MatMul":
        return False
    a, b = (tensor.shape for tensor in operation.inputs)
    return (
        operation.get_attr("transpose_a")
        and not operation.get_attr("transpose_b")
        and a.is_fully_defined()
        and b.is_fully_defined()
        and 2 * a.num_elements() * b[1] >= _LARGE
    )


def _is_cheap(operation: Any) -> bool:
    if operation.type == "Reshape":
        # With one ends the gradient of a vector that scales a kernel. Those of
        # attention's kernels do, too, whose products XLA had better have.
        return operation.outputs[0].shape.rank == 1
    return operation.type in _CHEAP
