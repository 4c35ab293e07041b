"""Terms of sums that repeat a vector, told from others."""

import tensorflow as tf

from keras_sharpness.metrics.compiled.added_biases import added_biases


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
