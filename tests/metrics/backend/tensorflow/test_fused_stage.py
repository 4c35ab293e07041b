"""Operations that XLA compiles, and those that it had better leave."""

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.fused_stage import FusedStage


@pytest.fixture
def traced():
    """(a, b) → two layers' gradients, a sum, a itself and b itself."""

    @tf.function(autograph=False)
    def function(a, b):
        hidden = tf.tanh(tf.matmul(a, b))
        return [
            tf.matmul(a, hidden, transpose_a=True),
            tf.matmul(tf.exp(a), hidden, transpose_a=True),
            tf.reduce_sum(hidden),
            a,
            b,
        ]

    # Large enough for the last product to be one that XLA does not get.
    concrete = function.get_concrete_function(
        tf.TensorSpec([500, 100]), tf.TensorSpec([100, 100])
    )
    return function, concrete


@pytest.fixture
def stage(traced):
    _, concrete = traced
    a, b = concrete.inputs
    names = [operation.name for operation in concrete.graph.get_operations()]
    return FusedStage(names, concrete.outputs, kept=[a.name], given=[b.name])


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    a, b, c = (
        tf.constant(rng.standard_normal(shape), tf.float32)
        for shape in [(500, 100), (100, 100), (100, 100)]
    )
    return a, b, c


def assert_as_the_whole(found, function, a, b):
    for tensor, expected in zip(found, function(a, b), strict=True):
        # Sums of at most 50,000 terms up to 1, and 500 products of these with
        # numbers of size 4 or, few of them, 60, each rounded to 24 bits; where
        # XLA rounds otherwise, errors grow with the root of their number.
        np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_each_is_as_the_whole(traced, stage, tensors, count):
    a, *several = tensors
    found = stage.of_each([a], [[b] for b in several[:count]])
    assert len(found) == count
    for outputs, b in zip(found, several, strict=False):
        assert_as_the_whole(outputs, traced[0], a, b)


def functions(stage, a, *several):
    """The functions that are called, each a list of nodes."""
    called = tf.function(stage.of_each, autograph=False)
    graph = called.get_concrete_function([a], [[b] for b in several]).graph
    return graph.as_graph_def().library.function


def test_xla_gets_all_but_the_last_products(stage, tensors):
    found = functions(stage, *tensors)
    is_fused = [f.attr["_XlaMustCompile"].b for f in found]
    # One for both arguments.
    assert is_fused.count(True) == 1
    for function, fused in zip(found, is_fused, strict=True):
        kinds = [n.op for n in function.node_def if n.op != "Identity"]
        products = [n for n in function.node_def if n.op == "MatMul"]
        transposed = [node.attr["transpose_a"].b for node in products]
        assert kinds.count("Tanh") == (2 if fused else 0)
        assert transposed in ([False] * 2 if fused else [True] * 2, [])


@pytest.mark.parametrize("count", [1, 2])
def test_several_share_what_does_not_depend_on_them(stage, tensors, count):
    """For one it is repeated where it is needed, instead of held."""
    a, *several = tensors
    behind = [
        [node.op for node in function.node_def]
        for function in functions(stage, a, *several[:count])
        if not function.attr["_XlaMustCompile"].b
    ]
    assert any("MatMul" in kinds for kinds in behind)
    assert any("Exp" in kinds for kinds in behind) == (count == 1)


def test_without_large_products_xla_gets_all():
    @tf.function(autograph=False)
    def function(a, b):
        product = tf.matmul(a, b, transpose_a=True)
        # Twice the same, and one that nothing changes.
        return [product, product, a]

    square = tf.TensorSpec([2, 2])
    concrete = function.get_concrete_function(square, square)
    a, b = concrete.inputs
    names = [operation.name for operation in concrete.graph.get_operations()]
    stage = FusedStage(names, concrete.outputs, kept=[a.name], given=[b.name])
    x, y = tf.constant([[1.0, 2], [3, 4]]), tf.constant([[0.0, 1], [1, 0]])
    (found,) = stage.of_each([x], [[y]])
    for tensor, expected in zip(found, function(x, y), strict=True):
        # Sums of two small integers.
        np.testing.assert_array_equal(tensor, expected)
    assert all(f.attr["_XlaMustCompile"].b for f in functions(stage, x, y))
