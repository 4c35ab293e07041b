"""What follows from some tensors of a graph."""

from collections.abc import Iterable, Sequence
from typing import Any


def dependent_operations(
    given: Sequence[str], outputs: Iterable[Any]
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
