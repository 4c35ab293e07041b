"""A data set by its contents, in a form that can be compared."""

import hashlib

import numpy as np

from keras_sharpness.data.sample_data import SampleData


def digest_data(data: SampleData) -> dict[str, str]:
    """Digests of the four arrays: contents, shapes and dtypes.

    Args:
        data: `SampleData`.

    Returns:
        Dict from the name of an array to its digest.
    """
    names = ("x_train", "y_train", "x_test", "y_test")
    return {name: digest_array(getattr(data, name)) for name in names}


def digest_array(array: np.ndarray) -> str:
    """A digest of an array: contents, shape and dtype.

    Args:
        array: Array.

    Returns:
        Str of 32 hexadecimal digits.
    """
    array = np.ascontiguousarray(array)
    digest = hashlib.blake2b(
        f"{array.dtype} {array.shape}".encode(), digest_size=16
    )
    # uint8 lets dtypes through that know no buffer protocol.
    digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()
