"""How many Lanczos bases fit into memory."""

import numpy as np
import psutil

from keras_sharpness.metrics.flat_arrays import MAX_BLOCK


def choose_group_size(
    num_probes: int,
    num_steps: int,
    size: int,
    dtype: str,
    max_memory: int | None = None,
) -> int:
    """How many probes advance together, in groups of about one size.

    `bytes = group · (num_steps + 1) · P · itemsize` must not exceed
    `max_memory`: the vectors, and what is left of the last product.

    Args:
        num_probes: Int. Probes in all.
        num_steps: Int. Products of a probe.
        size: Int. P.
        dtype: Str. Of the basis.
        max_memory: Int. Bytes. By default half of the machine's memory; all of
            the machine's, not what is free of it: the number of vectors in a
            product changes its last bits, and the same call shall return the
            same.

    Returns:
        Int, at least 1 and at most what a product takes at once.

    Raises:
        ValueError: If not even one basis fits.
    """
    one = (num_steps + 1) * np.dtype(dtype).itemsize * size
    memory = max_memory
    if memory is None:
        memory = psutil.virtual_memory().total // 2
    most = min(MAX_BLOCK, num_probes, memory // one)
    if most < 1:
        raise ValueError(
            f"The basis of one probe takes {one / 1e9:.3g} GB for "
            f"num_steps={num_steps} and {size} weights in {dtype}, and "
            f"{memory / 1e9:.3g} GB are allowed. Pass fewer `num_steps`, "
            "`basis_dtype='float32'` or a larger `max_memory`."
        )
    # Even groups: each size of a block is compiled for itself.
    return -(-num_probes // -(-num_probes // most))
