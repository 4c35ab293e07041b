"""Tensors that are held, whatever becomes of variables, and room for them."""

from collections.abc import Iterable
from typing import Any

import keras
import psutil
import tensorflow as tf


def held(
    values: Iterable[Any], dtypes: Iterable[str] | None = None
) -> list[tf.Tensor]:
    """Values as tensors that later training does not move.

    Without a copy: TensorFlow makes one when a variable changes whose value is
    still held.

    Args:
        values: Variables or arrays.
        dtypes: Of the tensors; those of the values when left out.

    Returns:
        List of tensors.
    """
    tensors = [
        # Keras would hand a variable back as it is, and that moves.
        tf.convert_to_tensor(
            value.value if isinstance(value, keras.Variable) else value
        )
        for value in values
    ]
    if dtypes is None:
        return tensors
    return [
        tf.cast(tensor, dtype)
        for tensor, dtype in zip(tensors, dtypes, strict=True)
    ]


def free_memory() -> int:
    """Bytes free on the host.

    TensorFlow does not tell how much memory a GPU has, only what it took of
    it; on a machine with one this bounds what the host could hand over.
    """
    return psutil.virtual_memory().available
