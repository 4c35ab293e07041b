"""A pass through a model: predictions, and what curvature is taken by."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from keras_sharpness.metrics.backend import logits_of
from keras_sharpness.metrics.loss.losses import LossSpecification


@dataclasses.dataclass(frozen=True)
class Forward:
    """A pass through the model at given weights.

    Attributes:
        predictions: Nested tensors, what the model returns.
        outputs: Nested tensors, what curvature of the loss is taken by: the
            predictions; where they are a softmax or a sigmoid and the loss a
            cross-entropy, the logits, to which Keras applies the loss.
        specification: `LossSpecification` of the loss of `outputs`.
        penalty: Scalar tensor Ω(w), or None where there is none.
        loss: Callable `(outputs, sample_weight, *, y, alone)` → scalar
            tensor, the mean loss; y is that of the batch when left out, Ω is
            part of it only with `alone=False`.
    """

    predictions: Any
    outputs: Any
    specification: LossSpecification
    penalty: Any
    loss: Callable[..., Any]


def coordinates(
    y_pred: Any, specification: LossSpecification
) -> tuple[Any, LossSpecification, Callable[[Any], Any]]:
    """Outputs that the loss is a function of, and the way to predictions.

    Args:
        y_pred: Nested tensors, what the model returns.
        specification: `LossSpecification`.

    Returns:
        Nested tensors: the logits where the predictions are a softmax or a
        sigmoid and the loss a cross-entropy, the predictions otherwise; the
        `LossSpecification` of the loss of these; and the function that makes
        predictions of them.
    """
    kind = specification.accuracy_kind
    leaves = keras.tree.flatten(y_pred)
    if kind is not None and not specification.from_logits and len(leaves) == 1:
        activation = "sigmoid" if kind == "binary" else "softmax"
        logits = logits_of(leaves[0], activation)
        if logits is not None:
            return (
                keras.tree.pack_sequence_as(y_pred, [logits]),
                dataclasses.replace(specification, from_logits=True),
                _with_masks_of(y_pred, getattr(keras.ops, activation)),
            )
    # Without what Keras' losses would look for behind the predictions.
    outputs = keras.tree.map_structure(keras.ops.copy, y_pred)
    return outputs, specification, _with_masks_of(y_pred, keras.ops.copy)


def _with_masks_of(y_pred: Any, function: Callable) -> Callable[[Any], Any]:
    """`function` of each output, with the masks that the losses look for."""
    masks = [
        getattr(t, "_keras_mask", None) for t in keras.tree.flatten(y_pred)
    ]

    def link(outputs: Any) -> Any:
        results = keras.tree.map_structure(function, outputs)
        for result, mask in zip(
            keras.tree.flatten(results), masks, strict=True
        ):
            if mask is not None:
                result._keras_mask = mask
        return results

    return link
