"""What curvature of a loss is taken by: logits, or the predictions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.loss.forward import coordinates
from keras_sharpness.metrics.loss.losses import loss_specification

losses = keras.losses
LOGITS = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


def in_graph(function):
    """What a function of the logits returns, computed as a graph."""
    values = {}

    @tf.function(autograph=False)
    def traced(logits):
        return function(logits, values)

    return traced(tf.constant(LOGITS)), values


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        (losses.SparseCategoricalCrossentropy(), keras.ops.softmax),
        (losses.CategoricalCrossentropy(), keras.ops.softmax),
        (losses.BinaryCrossentropy(), keras.ops.sigmoid),
    ],
)
def test_cross_entropies_are_functions_of_the_logits(loss, activation):
    def function(logits, values):
        nested = {"out": activation(logits)}
        outputs, specification, link = coordinates(
            nested, loss_specification(loss)
        )
        values["from_logits"] = specification.from_logits
        return outputs["out"], link(outputs)["out"], nested["out"]

    (outputs, linked, predictions), values = in_graph(function)
    assert values["from_logits"]
    np.testing.assert_array_equal(outputs, LOGITS)
    np.testing.assert_array_equal(linked, predictions)


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        (losses.MeanSquaredError(), keras.ops.softmax),
        (
            losses.SparseCategoricalCrossentropy(from_logits=True),
            lambda x: 2 * x,
        ),
        (losses.SparseCategoricalCrossentropy(), lambda x: x / 3),
    ],
)
def test_others_are_functions_of_the_predictions(loss, activation):
    def function(logits, values):
        predictions = activation(logits)
        outputs, specification, link = coordinates(
            predictions, loss_specification(loss)
        )
        values["same"] = specification == loss_specification(loss)
        # Otherwise a loss would look behind what is differentiated by.
        values["hidden"] = [
            getattr(tensor, "_keras_logits", None)
            for tensor in (outputs, link(outputs))
        ]
        return outputs, link(outputs), predictions

    (outputs, linked, predictions), values = in_graph(function)
    assert values["hidden"] == [None, None]
    np.testing.assert_array_equal(outputs, predictions)
    np.testing.assert_array_equal(linked, predictions)


@pytest.mark.parametrize("loss", ["mse", "sparse_categorical_crossentropy"])
def test_masks_go_with_the_predictions(loss):
    def function(logits, values):
        predictions = keras.ops.softmax(logits)
        predictions._keras_mask = tf.constant([True, False])
        outputs, _, link = coordinates(predictions, loss_specification(loss))
        return link(outputs)._keras_mask

    mask, _ = in_graph(function)
    np.testing.assert_array_equal(mask, [True, False])
