"""Operations of a graph that tensors are computed from."""

from collections.abc import Container, Iterable
from typing import Any


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
