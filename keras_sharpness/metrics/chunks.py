"""Long arrays in pieces that stay in the cache."""

from collections.abc import Iterator


def chunks(start: int, stop: int, length: int = 1 << 16) -> Iterator[slice]:
    """Slices of at most `length` entries that cover `start:stop`.

    Args:
        start: Int.
        stop: Int.
        length: Int. As many as the caller's work on an entry leaves room for.

    Yields:
        Slices, all but the last of them of the same length.
    """
    for low in range(start, stop, length):
        yield slice(low, min(low + length, stop))
