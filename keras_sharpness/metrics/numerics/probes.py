"""Random probe vectors, one stream of numbers for each of them."""

import numpy as np

from keras_sharpness.metrics.flat_arrays import chunks

# A multiple of the bits in a word.
_PIECE = 1 << 14


def rademacher(
    size: int, *, count: int, first: int = 0, seed: int = 0
) -> np.ndarray:
    """Probes whose entries are −1 or 1 with equal probability.

    For such a probe v, E[v vᵀ] = I, so that E[vᵀ A v] = tr A; and vᵢ² = 1, so
    that the diagonal of A adds no variance. Each probe has random numbers of
    its own: it is the same in blocks of any size, on every platform and with
    every version of NumPy, and asking for more probes leaves the first ones as
    they were.

    Args:
        size: Int. P, the length of a probe.
        count: Int. How many.
        first: Int. Number of the first one in the sequence.
        seed: Int, not negative. Which sequence.

    Returns:
        Array (P, count), float64, each probe contiguous in memory.

    Example:

    ```python
    import numpy as np
    from keras_sharpness.metrics.numerics.probes import rademacher

    block = rademacher(1000, count=4, seed=7)
    assert np.all(np.abs(block) == 1.0)
    third = rademacher(1000, count=1, first=2, seed=7)
    assert np.array_equal(block[:, 2:3], third)
    ```

    Reference:
        Hutchinson 1990, https://doi.org/10.1080/03610919008812866.
    """
    probes = np.empty((count, size))
    for row, number in zip(probes, range(first, first + count), strict=True):
        # Raw bits are NumPy's only promise across versions and platforms.
        words = np.random.PCG64((seed, number)).random_raw(-(-size // 64))
        octets = words.astype("<u8").view(np.uint8)
        # In pieces that stay in the cache until they are signs.
        for part in chunks(0, size, _PIECE):
            piece = row[part]
            bits = octets[part.start // 8 : -(-part.stop // 8)]
            piece[:] = np.unpackbits(bits, count=len(piece))
            piece *= 2.0
            piece -= 1.0
    return probes.T
