"""Functions traced from the shapes of a graph."""

import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.traced_once import TracedOnce


@pytest.fixture(params=[False, True], ids=["plain", "xla"])
def once(request):
    """x and several y → x + y; and how often it was traced."""
    traces = []

    def function(tensors, several):
        traces.append(len(several))
        return [[tensors[0] + argument[0]] for argument in several]

    with tf.Graph().as_default() as graph:
        x, y = (
            tf.compat.v1.placeholder(tf.float32, [None, 2], name)
            for name in ("x", "y")
        )
    made = TracedOnce(
        function, graph, [x.name], [y.name], jit_compile=request.param
    )
    return made, traces


def test_each_argument_has_its_result(once):
    made, _ = once
    x, y, z = (tf.fill([1, 2], value) for value in (1.0, 10.0, 20.0))
    (first,), (second,) = made([x], [[y], [z]])
    assert first.numpy().tolist() == [[11.0, 11.0]]
    assert second.numpy().tolist() == [[21.0, 21.0]]


def test_one_trace_serves_all_lengths_that_the_graph_leaves_open(once):
    made, traces = once
    for length in (1, 2, 3):
        ((total,),) = made([tf.ones([length, 2])], [[tf.ones([length, 2])]])
        assert total.numpy().tolist() == [[2.0, 2.0]] * length
    assert traces == [1]


def test_each_number_of_arguments_is_traced_for_itself(once):
    made, traces = once
    ones = tf.ones([1, 2])
    for count in (1, 3, 1, 3):
        assert len(made([ones], [[ones]] * count)) == count
    assert traces == [1, 3]
