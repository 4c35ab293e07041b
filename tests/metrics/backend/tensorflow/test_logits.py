"""The logits that a model's last activation was applied to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend import differentiable, logits_of


@pytest.mark.parametrize("is_mended", [True, False])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("namespace", [keras.ops, tf.nn])
def test_logits_are_found(namespace, activation, is_mended):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    found = []

    @tf.function(autograph=False)
    def traced(logits):
        function = getattr(namespace, activation)
        if is_mended:
            with differentiable(model):
                predictions = function(logits)
        else:
            predictions = function(logits)
        found.append(logits_of(predictions, activation) is logits)
        found.append(logits_of(tf.identity(predictions), activation) is None)

    traced(tf.constant(np.ones((3, 2))))
    assert found == [True, True]
