"""The memory that tensors of a graph take."""

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.tensor_bytes import (
    graph_bytes,
    mean_bytes,
    tensor_bytes,
)


def multiplication():
    @tf.function(
        input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([3, 5])]
    )
    def multiply(x, w):
        return tf.linalg.matmul(x, w)

    return multiply.get_concrete_function()


def test_bytes_of_a_graph():
    # The product and the identity that returns it, 7 x 5 float32 each.
    assert graph_bytes(multiplication(), 7) == 2 * 7 * 5 * 4
    assert mean_bytes(multiplication(), 7) == 7 * 5 * 4


def test_bytes_of_a_tensor():
    x, w = multiplication().inputs
    assert tensor_bytes(x, 7) == 7 * 3 * 4
    assert tensor_bytes(w, 7) == 3 * 5 * 4


def test_of_unknown_rank():
    with tf.Graph().as_default():
        assert tensor_bytes(tf.compat.v1.placeholder("float32"), 7) == 0
