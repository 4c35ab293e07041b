"""Functions are compiled, whatever the process is told of others."""

import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.compiled import compiled


@pytest.fixture
def eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def in_a_graph():
    """A function that notes for each trace whether it becomes a graph."""
    traces = []

    def square(x):
        traces.append(tf.executing_eagerly())
        return x * x

    return square, traces


def test_a_function_is_traced_once():
    square, traces = in_a_graph()
    run = compiled(square)
    for value in (2.0, 3.0):
        assert float(run(tf.constant(value))) == value**2
    assert traces == [False]


def test_the_switch_of_the_process_neither_counts_nor_changes(eager):
    square, traces = in_a_graph()
    run = compiled(square)
    assert float(run(tf.constant(3.0))) == 9.0
    assert traces == [False]
    # TensorFlow's own would not be.
    plain, eagerly = in_a_graph()
    tf.function(plain)(tf.constant(3.0))
    assert eagerly == [True]
    assert tf.config.functions_run_eagerly()
