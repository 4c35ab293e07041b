"""A step of Lanczos on vectors that stay on the device."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def lanczos_step(
    product: Sequence[Any],
    vector: Sequence[Any],
    last: Sequence[Any],
    beta: Any,
) -> tuple[Any, ...]:
    """One step of Lanczos, without reorthogonalisation.

    `α = vᵀ A v` and `β' v' = A v − α v − β v₋`, with `‖v'‖ = 1`. Orthogonality
    is lost where a Ritz pair converges to the square root of the rounding
    errors; few steps do without more.

    Args:
        product: List of tensors, A v.
        vector: List of tensors, v, of length 1 in all.
        last: List of tensors, v₋, the vector before; zeros at first.
        beta: Scalar tensor, the entry beside the diagonal before; zero at
            first.

    Returns:
        The tensors of v', α and β'.

    Reference:
        Golub and Van Loan 2013, Matrix Computations, section 10.1.
    """
    alpha = _dot(vector, product)
    # What is left when the parts along both vectors are taken away, by
    # Pythagoras, so that it need not be read once more. Nothing cancels until
    # it is a thousandth of the product.
    rest = _dot(product, product) - alpha * alpha - beta * beta
    length = tf.sqrt(tf.maximum(rest, 0.0))
    inverse = tf.math.divide_no_nan(tf.ones_like(length), length)
    following = (
        inverse * (a - alpha * b - beta * c)
        for a, b, c in zip(product, vector, last, strict=True)
    )
    return *following, alpha, length


def unit_vector(vector: Sequence[Any]) -> tuple[Any, ...]:
    """A vector brought to length 1, and the length it had.

    Args:
        vector: List of tensors.

    Returns:
        The tensors of `v / ‖v‖`, of zeros where v is zero, and `‖v‖`.
    """
    length = tf.sqrt(_dot(vector, vector))
    return *(tf.math.divide_no_nan(part, length) for part in vector), length


def _dot(one: Sequence[Any], other: Sequence[Any]) -> Any:
    return tf.add_n(
        [tf.reduce_sum(a * b) for a, b in zip(one, other, strict=True)]
    )
