"""How many vectors one compiled product may serve with the memory there is."""

import psutil

# Products of more vectors at once save little: what they share is a quarter of
# one product.
MAX_BLOCK = 8


def block_size_for(num_bytes: float, *, available: int | None = None) -> int:
    """The number of vectors that half of the free memory has room for.

    A block of K vectors took at most `A (1 + K/2)` bytes of activations on
    dense and convolutional networks, A being the bytes of all tensors in the
    graph of the gradient.

    Args:
        num_bytes: Float. A, for the samples that a product works on at once.
        available: Int. Free bytes, those of the machine when left out.

    Returns:
        Int, from 1 to `MAX_BLOCK`.
    """
    if available is None:
        available = psutil.virtual_memory().available
    room = 2 * (available / 2 / max(num_bytes, 1) - 1)
    return int(min(max(room, 1), MAX_BLOCK))


def at_once_of(num_vectors: int, *, fused: bool) -> int:
    """How many of a number of vectors are best multiplied at once.

    Each size is compiled for itself, so that one is preferred that leaves no
    rest.

    Args:
        num_vectors: Int.
        fused: Bool. Whether XLA compiles the product. It gains a tenth from
            four at once, and hardly more from eight, but takes longer.

    Returns:
        Int, from 1 to `MAX_BLOCK`.
    """
    best = (4, 5, 6, 7, 3) if fused else (8, 7, 6, 5, 4)
    return next(
        (n for n in best if num_vectors % n == 0), min(num_vectors, best[0])
    )
