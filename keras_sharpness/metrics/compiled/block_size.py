"""How many vectors one compiled product may serve with the memory there is."""

from typing import Any

import psutil

from keras_sharpness.metrics.compiled.tensor_bytes import tensor_bytes

# Products of more vectors at once save little: what they share is a quarter of
# one product.
MAX_BLOCK = 8


def block_size_for(
    gradient: Any, batch_size: int, *, available: int | None = None
) -> int:
    """The number of vectors that half of the free memory has room for.

    A block of K vectors took at most `A (1 + K/2)` bytes of activations on
    dense and convolutional networks, A being the bytes of all tensors in the
    graph of the gradient.

    Args:
        gradient: The gradient of one batch as a TensorFlow concrete function.
        batch_size: Int. For axes whose length the graph leaves open.
        available: Int. Free bytes, those of the machine when left out.

    Returns:
        Int, from 1 to `MAX_BLOCK`.
    """
    if available is None:
        available = psutil.virtual_memory().available
    gradient_bytes = max(graph_bytes(gradient, batch_size), 1)
    room = 2 * (available / 2 / gradient_bytes - 1)
    return int(min(max(room, 1), MAX_BLOCK))


def graph_bytes(function: Any, batch_size: int) -> int:
    """Bytes of all tensors that the operations of a graph put out.

    Args:
        function: TensorFlow concrete function.
        batch_size: Int. For axes whose length the graph leaves open.

    Returns:
        Int.
    """
    return sum(
        tensor_bytes(tensor, batch_size)
        for operation in function.graph.get_operations()
        if operation.type not in ("Placeholder", "Const")
        for tensor in operation.outputs
    )
