"""Derivatives of the loss of one batch, as they are traced and compiled."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.metrics.loss.batch_loss import BatchLoss, Forward

# (forward, sample_weight, index of the batch) → function that multiplies
# tensors shaped as the outputs by a matrix in their space, that of the mean
# loss of the batch.
OutputMatrix = Callable[[Forward, Any, Any], Callable[[list[Any]], list[Any]]]


class Derivatives:
    """Gradients and curvature products of the loss of one batch.

    Everything is multiplied by `share`, the part of the N samples that the
    batch holds, so that sums over the batches are those of the mean loss.

    Args:
        batch_loss: `BatchLoss`.
        places: Sequence of int. The trainable variables to differentiate by,
            None for all.
    """

    def __init__(
        self, batch_loss: BatchLoss, places: Sequence[int] | None = None
    ):
        self._batch_loss = batch_loss
        self._places = places

    def gradient(
        self,
        weights: list[Any],
        state: list[Any],
        x: Any,
        y: Any,
        sample_weight: Any,
        share: Any,
    ) -> tuple[Any, list[Any]]:
        """The loss and share · ∇loss.

        Args:
            weights: Tensors for `model.trainable_variables`.
            state: Tensors for `model.non_trainable_variables`.
            x: Inputs, nested tensors.
            y: Targets, nested tensors, or None.
            sample_weight: Tensor, or None.
            share: Scalar tensor.

        Returns:
            Scalar tensor, and a list of tensors.
        """
        chosen = self._chosen(weights)
        with tf.GradientTape() as tape:
            tape.watch(chosen)
            loss = self._batch_loss.value(weights, state, x, y, sample_weight)
            part = tf.cast(share, loss.dtype) * loss
        return loss, _gradient(tape, part, chosen)

    def hessian_product(
        self,
        weights: list[Any],
        state: list[Any],
        x: Any,
        y: Any,
        sample_weight: Any,
        share: Any,
        vector: list[Any],
        index: Any = None,
    ) -> list[Any]:
        """Product with share · ∇²loss: reverse over reverse.

        Args:
            weights: As for `gradient`, and so are `state` to `share`.
            state: See there.
            x: See there.
            y: See there.
            sample_weight: See there.
            share: See there.
            vector: List of tensors, shaped as the variables.
            index: Scalar tensor, the place of the batch; has no effect here.

        Returns:
            List of tensors.
        """
        del index
        chosen = self._chosen(weights)
        with tf.GradientTape() as tape:
            tape.watch(chosen)
            gradient = self.gradient(
                weights, state, x, y, sample_weight, share
            )[1]
        return _gradient(tape, gradient, chosen, vector)

    def output_product(
        self, matrix: "OutputMatrix"
    ) -> Callable[..., list[Any]]:
        """Product with share · (Jᵀ M J + ∇²Ω), J the Jacobian of the outputs.

        J v is the derivative of Jᵀ u by u: two reverse passes, of which the
        compiler keeps only what depends on v, so that it costs what a forward
        mode would and works where TensorFlow has none (loops of RNNs).

        Args:
            matrix: `OutputMatrix`, M.

        Returns:
            Function with the arguments of `hessian_product`.
        """

        def product(weights, state, x, y, sample_weight, share, vector, index):
            chosen = self._chosen(weights)
            tape = tf.GradientTape(persistent=True)
            with contextlib.ExitStack() as stack:
                with tf.GradientTape() as bent, tape:
                    bent.watch(chosen)
                    tape.watch(chosen)
                    forward = stack.enter_context(
                        self._batch_loss.forward(weights, state, x, y)
                    )
                    outputs = keras.tree.flatten(forward.outputs)
                with bent:
                    slope = (
                        None
                        if forward.penalty is None
                        else _gradient(tape, forward.penalty, chosen)
                    )
                co_tangents = [tf.zeros_like(output) for output in outputs]
                with tf.GradientTape() as linear:
                    linear.watch(co_tangents)
                    pulled = _gradient(tape, outputs, chosen, co_tangents)
                multiply = matrix(forward, sample_weight, index)
                pushed = _gradient(linear, pulled, co_tangents, vector)
                result = _gradient(tape, outputs, chosen, multiply(pushed))
                if slope is not None:
                    extra = _gradient(bent, slope, chosen, vector)
                    result = [a + b for a, b in zip(result, extra, strict=True)]
                return [tf.cast(share, part.dtype) * part for part in result]

        return product

    def _chosen(self, weights: list[Any]) -> list[Any]:
        if self._places is None:
            return weights
        return [weights[place] for place in self._places]


def residual(
    forward: Forward, sample_weight: Any, **targets: Any
) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    """The gradient r of the mean loss of a batch by its outputs.

    Args:
        forward: `Forward`.
        sample_weight: Tensor, or None.
        **targets: `y=` for other targets than those of the batch.

    Returns:
        r as a list of tensors shaped as the outputs, and the function that
        multiplies such a list by the derivative of r, the loss's Hessian.
    """
    outputs = keras.tree.flatten(forward.outputs)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(outputs)
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            loss = forward.loss(
                keras.tree.pack_sequence_as(forward.outputs, outputs),
                sample_weight,
                **targets,
            )
        slope = _gradient(tape, loss, outputs)
    return slope, lambda tangents: _gradient(outer, slope, outputs, tangents)


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
