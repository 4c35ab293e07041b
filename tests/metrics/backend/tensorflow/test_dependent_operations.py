"""What follows from a tensor of a graph."""

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.dependent_operations import (
    dependent_operations,
)


def test_what_depends_on_a_tensor():
    @tf.function(autograph=False)
    def function(a, b):
        return [tf.square(a) + tf.square(b), b * b * b]

    scalar = tf.TensorSpec([])
    traced = function.get_concrete_function(scalar, scalar)
    a, b = traced.inputs
    of_a = dependent_operations([a.name], traced.outputs)
    of_b = dependent_operations([b.name], traced.outputs)
    types = sorted(operation.type for operation in of_a.values())
    # The last one returns the sum.
    assert types == ["AddV2", "Identity", "Placeholder", "Square"]
    assert sum(operation.type == "Mul" for operation in of_b.values()) == 2
    assert dependent_operations([a.name], traced.outputs[1:]) == {}
    assert dependent_operations([a.name], []) == {}
