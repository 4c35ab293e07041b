"""Zeros that sums can do without, told from others."""

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.idle_zeros import idle_zeros


def types_of_idle(function):
    """The types of the zeros that are found, of a function of three numbers."""
    concrete = tf.function(function, autograph=False).get_concrete_function(
        tf.TensorSpec([3])
    )
    graph = concrete.graph
    names = [operation.name for operation in graph.get_operations()]
    found = idle_zeros(names, concrete.outputs)
    return sorted(graph.get_operation_by_name(name).type for name in found)


def test_zeros_in_a_sum_are_idle():
    found = types_of_idle(
        lambda x: [
            tf.add_n(
                [
                    x,
                    tf.raw_ops.ZerosLike(x=x),
                    tf.fill([tf.size(x)], 0.0),
                    tf.constant([0.0, 0.0, 0.0]),
                ]
            )
        ]
    )
    assert found == ["Const", "Fill", "ZerosLike"]


def test_other_numbers_are_not():
    found = types_of_idle(
        lambda x: [
            tf.add_n(
                [
                    x,
                    tf.ones_like(x),
                    tf.fill([tf.size(x)], 1.0),
                    tf.constant([0.0, 1.0, 0.0]),
                ]
            )
        ]
    )
    assert found == []


def test_a_sum_of_nothing_else_keeps_them():
    assert (
        types_of_idle(lambda x: [tf.add_n([tf.raw_ops.ZerosLike(x=x)] * 2)])
        == []
    )


def test_zeros_that_something_else_uses_stay():
    def function(x):
        zeros = tf.raw_ops.ZerosLike(x=x)
        return [tf.add_n([x, zeros]), tf.exp(zeros)]

    assert types_of_idle(function) == []
