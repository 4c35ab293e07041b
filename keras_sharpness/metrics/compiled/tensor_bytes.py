"""How much memory the tensors of a graph take."""

import math
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


def graph_bytes(function: Any, batch_size: int) -> int:
    """Bytes of all tensors that the operations of a graph put out.

    Args:
        function: TensorFlow concrete function.
        batch_size: Int. For axes whose length the graph leaves open.

    Returns:
        Int.
    """
    return sum(_bytes_of_each(function, batch_size))


def mean_bytes(function: Any, batch_size: int) -> float:
    """Bytes that an operation of a graph puts out, on average.

    Args:
        function: TensorFlow concrete function.
        batch_size: Int. For axes whose length the graph leaves open.

    Returns:
        Float.
    """
    each = _bytes_of_each(function, batch_size)
    return sum(each) / max(len(each), 1)


def _bytes_of_each(function: Any, batch_size: int) -> list[int]:
    return [
        sum(tensor_bytes(tensor, batch_size) for tensor in operation.outputs)
        for operation in function.graph.get_operations()
        if operation.type not in ("Placeholder", "Const")
    ]
