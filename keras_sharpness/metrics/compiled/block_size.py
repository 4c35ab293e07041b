"""How many vectors one compiled product may serve with the memory there is."""

import psutil

# Products of more vectors at once save little: what they share is a quarter of
# one product.
MAX_BLOCK = 8


def block_size_for(num_bytes: int, *, available: int | None = None) -> int:
    """The number of vectors that half of the free memory has room for.

    A block of K vectors took at most `A (1 + K/2)` bytes of activations on
    dense and convolutional networks, A being the bytes of all tensors in the
    graph of the gradient.

    Args:
        num_bytes: Int. A, for the samples that a product works on at once.
        available: Int. Free bytes, those of the machine when left out.

    Returns:
        Int, from 1 to `MAX_BLOCK`.
    """
    if available is None:
        available = psutil.virtual_memory().available
    room = 2 * (available / 2 / max(num_bytes, 1) - 1)
    return int(min(max(room, 1), MAX_BLOCK))
