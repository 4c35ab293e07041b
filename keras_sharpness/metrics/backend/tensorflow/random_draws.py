"""Random numbers that depend on a key and a shape alone."""

from typing import Any

import tensorflow as tf


def draw_categorical(logits: Any, key: Any) -> tf.Tensor:
    """One class number for each row of logits.

    Args:
        logits: Tensor (n, C).
        key: Tensor (2,), int64. The same key gives the same draws.

    Returns:
        Tensor (n,), int64.
    """
    return tf.reshape(tf.random.stateless_categorical(logits, 1, key), [-1])


def draw_uniform(shape: Any, key: Any) -> tf.Tensor:
    """Numbers in [0, 1), float32.

    Args:
        shape: Sequence or tensor of int.
        key: As for `draw_categorical`.

    Returns:
        Tensor of that shape.
    """
    return tf.random.stateless_uniform(shape, key)


def draw_normal(shape: Any, key: Any, *, stddev: float, dtype: Any) -> Any:
    """Normal numbers around 0.

    Args:
        shape: Sequence or tensor of int.
        key: As for `draw_categorical`.
        stddev: Float. Their standard deviation.
        dtype: Dtype of the result.

    Returns:
        Tensor of that shape.
    """
    return tf.random.stateless_normal(shape, key, stddev=stddev, dtype=dtype)


def draw_poisson(rates: Any, key: Any) -> tf.Tensor:
    """Numbers of the Poisson distributions of these rates.

    Args:
        rates: Floating-point tensor.
        key: As for `draw_categorical`.

    Returns:
        Tensor of the shape and dtype of `rates`.
    """
    return tf.random.stateless_poisson(
        tf.shape(rates), key, rates, dtype=rates.dtype
    )
