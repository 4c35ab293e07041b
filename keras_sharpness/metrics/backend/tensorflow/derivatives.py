"""Derivatives of a function of the weights, by nested gradient tapes.

What is differentiated is a `loss(weights, *others)`: a scalar tensor, the
weights a list of tensors. Everything is multiplied by a `scale`, so that sums
over batches are those of the mean loss, and float16 does not underflow.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

Places = Sequence[int] | None


def value_and_gradient(loss: Callable, *, places: Places = None) -> Callable:
    """The function `(weights, *others, scale)` → loss and scale · ∇loss.

    Args:
        loss: Callable `(weights, *others)` → scalar tensor.
        places: Sequence of int. The weights to differentiate by, None for all.

    Returns:
        Function that returns a scalar tensor and a list of tensors.
    """

    def differentiate(weights: list[Any], *others: Any) -> tuple:
        *others, scale = others
        chosen = _chosen(weights, places)
        with tf.GradientTape() as tape:
            tape.watch(chosen)
            value = loss(weights, *others)
            part = tf.cast(scale, value.dtype) * value
        return value, _gradient(tape, part, chosen)

    return differentiate


def hessian_product(loss: Callable, *, places: Places = None) -> Callable:
    """The function `(weights, *others, scale, vector)` → scale · ∇²loss v.

    Reverse over reverse: the gradient of `∇fᵀ v`.

    Args:
        loss: Callable `(weights, *others)` → scalar tensor.
        places: Sequence of int. The weights to differentiate by, None for all.

    Returns:
        Function that returns a list of tensors.

    Reference:
        Pearlmutter 1994, https://doi.org/10.1162/neco.1994.6.1.147.
    """
    differentiate = value_and_gradient(loss, places=places)

    def product(weights: list[Any], *others: Any) -> list[Any]:
        *others, vector = others
        chosen = _chosen(weights, places)
        with tf.GradientTape() as tape:
            tape.watch(chosen)
            gradient = differentiate(weights, *others)[1]
        return _gradient(tape, gradient, chosen, vector)

    return product


def jacobian_square_product(
    forward: Callable, bend: Callable, *, places: Places = None
) -> Callable:
    """The function `(weights, *others, scale, vector)` → scale (JᵀMJ + ∇²Ω) v.

    J is the Jacobian of the outputs by the weights. J v is the derivative of
    Jᵀ u by u: two reverse passes, of which the compiler keeps only what depends
    on v, so that it costs what a forward mode would and works where TensorFlow
    has none (loops of RNNs).

    Args:
        forward: Callable `(weights, *others)` → context manager of an object
            with `outputs`, nested tensors, and `penalty`, the scalar tensor Ω
            or None.
        bend: Callable `(forwarded, *others)` → function that multiplies a list
            of tensors, shaped as the outputs, by M.
        places: Sequence of int. The weights to differentiate by, None for all.

    Returns:
        Function that returns a list of tensors.
    """

    def product(weights: list[Any], *others: Any) -> list[Any]:
        *others, scale, vector = others
        chosen = _chosen(weights, places)
        tape = tf.GradientTape(persistent=True)
        with contextlib.ExitStack() as stack:
            with tf.GradientTape() as bent, tape:
                bent.watch(chosen)
                tape.watch(chosen)
                forwarded = stack.enter_context(forward(weights, *others))
                outputs = keras.tree.flatten(forwarded.outputs)
            with bent:
                slope = (
                    None
                    if forwarded.penalty is None
                    else _gradient(tape, forwarded.penalty, chosen)
                )
            co_tangents = [tf.zeros_like(output) for output in outputs]
            with tf.GradientTape() as linear:
                linear.watch(co_tangents)
                pulled = _gradient(tape, outputs, chosen, co_tangents)
            multiply = bend(forwarded, *others)
            pushed = _gradient(linear, pulled, co_tangents, vector)
            result = _gradient(tape, outputs, chosen, multiply(pushed))
            if slope is not None:
                extra = _gradient(bent, slope, chosen, vector)
                result = [a + b for a, b in zip(result, extra, strict=True)]
            return [tf.cast(scale, part.dtype) * part for part in result]

    return product


def gradient_and_hessian(
    function: Callable, tensors: list[Any]
) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    """The gradient of a function of tensors, and its Hessian as a map.

    Args:
        function: Callable of a list of tensors → scalar tensor.
        tensors: List of tensors. Where.

    Returns:
        List of tensors, and the function that multiplies such a list by the
        Hessian.
    """
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(tensors)
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(tensors)
        slope = _gradient(tape, value, tensors)
    return slope, lambda vector: _gradient(outer, slope, tensors, vector)


def _chosen(weights: list[Any], places: Places) -> list[Any]:
    return weights if places is None else [weights[place] for place in places]


def _gradient(
    tape: tf.GradientTape,
    target: Any,
    sources: list[Any],
    output_gradients: Any = None,
) -> list[Any]:
    gradient = tape.gradient(
        target,
        sources,
        output_gradients=output_gradients,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    # The gradient of a look-up is sparse; only dense ones have a second.
    return [tf.convert_to_tensor(part) for part in gradient]
