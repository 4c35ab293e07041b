"""How much memory is free for what products keep."""

import psutil


def free_memory() -> int:
    """Bytes free on the host.

    TensorFlow does not tell how much memory a GPU has, only what it took of
    it; on a machine with one this bounds what the host could hand over.
    """
    return psutil.virtual_memory().available
