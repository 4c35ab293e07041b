"""Terms of sums that repeat a vector, told from others."""

import functools

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.added_biases import (
    add_bias,
    added_biases,
)
from keras_sharpness.metrics.backend.tensorflow.subgraph import Subgraph


def found_in(function):
    """Pairs of types, of what is found in a function of (4, 3) and (1, 3)."""
    concrete = tf.function(function, autograph=False).get_concrete_function(
        tf.TensorSpec([4, 3]), tf.TensorSpec([1, 3])
    )
    graph = concrete.graph
    names = [operation.name for operation in graph.get_operations()]
    found = added_biases(names, concrete.outputs)
    return [
        (
            graph.get_operation_by_name(total).type,
            graph.get_operation_by_name(term).type,
        )
        for total, term in found.items()
    ]


def test_a_repeated_vector_in_a_sum_is_found():
    found = found_in(lambda x, b: [tf.add_n([x, tf.tile(b, [4, 1])])])
    assert found == [("AddN", "Tile")]


def test_of_two_in_one_sum_one_is_found():
    found = found_in(
        lambda x, b: [tf.add_n([tf.tile(b, [4, 1]), tf.tile(2 * b, [4, 1])])]
    )
    assert found == [("AddN", "Tile")]


def test_vectors_repeated_along_their_own_axis_are_not():
    found = found_in(lambda x, b: [tf.add_n([x, tf.tile(b[:, :1], [4, 3])])])
    assert found == []


def test_matrices_that_are_repeated_are_not():
    found = found_in(
        lambda x, b: [
            tf.add_n([tf.concat([x, x], 0), tf.tile(x, [2, 1])]),
        ]
    )
    assert found == []


def test_terms_that_something_else_uses_are_not():
    def function(x, b):
        repeated = tf.tile(b, [4, 1])
        return [tf.add_n([x, repeated]), tf.exp(repeated)]

    assert found_in(function) == []


def test_a_term_twice_in_a_sum_is_not():
    def function(x, b):
        repeated = tf.tile(b, [4, 1])
        return [tf.add_n([repeated, x, repeated])]

    assert found_in(function) == []


def test_sums_of_one_term_are_not():
    assert found_in(lambda x, b: [tf.add_n([tf.tile(b, [4, 1])])]) == []


def test_results_are_not():
    def function(x, b):
        repeated = tf.tile(b, [4, 1])
        graph = repeated.graph
        names = [operation.name for operation in graph.get_operations()]
        total = tf.add_n([x, repeated])
        assert added_biases([*names, total.op.name], [repeated, total]) == {}
        assert len(added_biases([*names, total.op.name], [total])) == 1
        return [total]

    found_in(function)


def test_nothing_is_added_where_nothing_is_returned():
    assert added_biases(["a"], []) == {}


def test_a_bias_is_added_without_repeating_it():
    @tf.function(autograph=False)
    def function(x, b):
        repeated = tf.tile(tf.reshape(b, [1, 1, 2]), [2, 3, 1])
        return [tf.add_n([x, repeated, 2.0 * x])]

    x = tf.constant([[[1.0, 2.0]] * 3, [[3.0, 4.0]] * 3])
    b = tf.constant([10.0, 20.0])
    concrete = function.get_concrete_function(x, b)
    graph = concrete.graph
    names = {operation.name for operation in graph.get_operations()}
    ((total, tile),) = added_biases(names, concrete.outputs).items()
    part = Subgraph(
        graph,
        names - {tile},
        zeros={tile},
        rewritten={
            total: functools.partial(
                add_bias, tile=graph.get_operation_by_name(tile)
            )
        },
    )

    @tf.function(autograph=False)
    def elsewhere(x, b):
        known = dict(
            zip((t.name for t in concrete.inputs), (x, b), strict=True)
        )
        return part.compute(known, [concrete.outputs[0].name])

    expected = [[[13.0, 26.0]] * 3, [[19.0, 32.0]] * 3]
    assert elsewhere(x, b)[0].numpy().tolist() == expected
    types = [
        operation.type
        for operation in elsewhere.get_concrete_function(
            x, b
        ).graph.get_operations()
    ]
    assert "Tile" not in types
    assert types.count("BiasAdd") == 1
