"""The logits behind a model's predictions."""

from typing import Literal

import tensorflow as tf

_OPERATIONS = {"sigmoid": "Sigmoid", "softmax": "Softmax"}


def logits_of(
    predictions: tf.Tensor, activation: Literal["sigmoid", "softmax"]
) -> tf.Tensor | None:
    """What an activation was applied to, as Keras' losses look for it.

    Args:
        predictions: Tensor of a graph.
        activation: Str.

    Returns:
        Tensor, or None where the predictions come from something else.
    """
    logits = getattr(predictions, "_keras_logits", None)
    if logits is None and predictions.op.type == _OPERATIONS[activation]:
        (logits,) = predictions.op.inputs
    return logits
