"""How much memory the tensors of a graph take."""

import math
from collections.abc import Collection
from typing import Any

# Samples in a batch, where nothing but proportions counts.
TYPICAL_BATCH = 128


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


def graph_bytes(
    function: Any, batch_size: int, *, without: Collection[tuple] = ()
) -> int:
    """Bytes of all tensors that the operations of a graph put out.

    Args:
        function: TensorFlow concrete function.
        batch_size: Int. For axes whose length the graph leaves open.
        without: Shapes of tensors that are not counted.

    Returns:
        Int.
    """
    return sum(_bytes_of_each(function, batch_size, set(without)))


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
    each = _bytes_of_each(function, batch_size, set(without))
    return sum(each) / max(len(each), 1)


def _bytes_of_each(
    function: Any, batch_size: int, without: Collection[tuple] = ()
) -> list[int]:
    return [
        sum(
            tensor_bytes(tensor, batch_size)
            for tensor in operation.outputs
            if tensor.shape.rank is None
            or tuple(tensor.shape.as_list()) not in without
        )
        for operation in function.graph.get_operations()
        if operation.type not in ("Placeholder", "Const")
    ]
