"""Products at the end of a graph, told from those before it."""

import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.last_products import (
    last_products,
)


def types_of_last(function, *shapes):
    """The types of the operations that are found in what is traced."""
    specs = [tf.TensorSpec(shape) for shape in shapes]
    concrete = tf.function(function, autograph=False).get_concrete_function(
        *specs
    )
    graph = concrete.graph
    names = {operation.name for operation in graph.get_operations()}
    # What a function returns is an Identity of each result.
    outputs = [tensor.op.inputs[0] for tensor in concrete.outputs]
    names -= {tensor.op.name for tensor in concrete.outputs}
    return sorted(
        graph.get_operation_by_name(name).type
        for name in last_products(names, outputs)
    )


def product(a, b):
    return tf.matmul(a, b, transpose_a=True)


# 2 · 500 · 100 · 100 is the least that counts as large.
LARGE = [(500, 100), (500, 100)]


def test_a_large_product_of_samples_is_found():
    assert types_of_last(lambda a, b: [product(a, b)], *LARGE) == ["MatMul"]


def test_sums_of_products_are_found_with_them():
    found = types_of_last(
        lambda a, b: [
            tf.add_n([product(a, b), product(b, a), tf.zeros((100, 100))]),
            product(a, b) + product(b, b),
        ],
        *LARGE,
    )
    assert found == ["AddN", "AddV2", *["MatMul"] * 4]


def test_multiples_of_products_are_found_with_them():
    scale = tf.ones(100)
    found = types_of_last(
        lambda a, b: [
            product(a, b) * scale,
            tf.reshape(tf.reduce_sum(product(b, a) * a[:100], 0), [100]),
        ],
        *LARGE,
    )
    assert found == ["MatMul", "MatMul", "Mul", "Mul", "Reshape", "Sum"]


def test_products_that_become_tensors_of_higher_rank_are_not():
    assert (
        types_of_last(
            lambda a, b: [tf.reshape(product(a, b), (100, 10, 10))], *LARGE
        )
        == []
    )


def test_sums_without_a_product_are_not():
    assert types_of_last(lambda a, b: [a + b], *LARGE) == []


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: [tf.tanh(product(a, b))],
        lambda a, b: [product(a, b), tf.exp(product(a, b))],
        lambda a, b: [tf.matmul(a, b, transpose_b=True)],
    ],
    ids=["used", "two, one of them used", "other axis"],
)
def test_products_before_the_end_are_not(function):
    # Of two, the one that nothing else uses is found.
    count = len(function(*[tf.zeros(shape) for shape in LARGE])) - 1
    assert types_of_last(function, *LARGE) == ["MatMul"] * count


@pytest.mark.parametrize(
    "shapes",
    [[(499, 100), (499, 100)], [(None, 100), (None, 100)]],
    ids=["small", "of a number of samples left open"],
)
def test_products_not_known_to_be_large_are_not(shapes):
    assert types_of_last(lambda a, b: [product(a, b)], *shapes) == []


def test_nothing_is_last_where_nothing_is_returned():
    assert last_products(["a"], []) == set()
