"""Operations that XLA compiles, and those that it had better leave."""

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.compiled.fused_stage import FusedStage


@pytest.fixture
def traced():
    """(a, b) → a layer's gradient, a sum, a itself and b itself."""

    @tf.function(autograph=False)
    def function(a, b):
        hidden = tf.tanh(tf.matmul(a, b))
        return [
            tf.matmul(a, hidden, transpose_a=True),
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
        # numbers of size 4, each rounded to 24 bits; where XLA rounds
        # otherwise, errors grow with the root of their number.
        np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-3)


def test_one_is_as_the_whole(traced, stage, tensors):
    a, b, _ = tensors
    found = tf.function(stage.of_one, autograph=False)([a], [b])
    assert_as_the_whole(found, traced[0], a, b)


def test_several_are_each_as_the_whole(traced, stage, tensors):
    a, b, c = tensors
    found = tf.function(stage.of_each, autograph=False)([a], [[b], [c]])
    assert_as_the_whole(found[0], traced[0], a, b)
    assert_as_the_whole(found[1], traced[0], a, c)


def test_xla_gets_all_but_the_last_product(stage, tensors):
    a, b, c = tensors
    called = tf.function(stage.of_each, autograph=False)
    definition = called.get_concrete_function([a], [[b], [c]]).graph
    definition = definition.as_graph_def()
    left = [n for n in definition.node if n.op == "MatMul"]
    assert [node.attr["transpose_a"].b for node in left] == [True, True]
    compiled = [
        f for f in definition.library.function if "_XlaMustCompile" in f.attr
    ]
    # One for both arguments.
    (fused,) = (f for f in compiled if f.attr["_XlaMustCompile"].b)
    types = [node.op for node in fused.node_def]
    assert types.count("Tanh") == 2
    assert types.count("MatMul") == 2
