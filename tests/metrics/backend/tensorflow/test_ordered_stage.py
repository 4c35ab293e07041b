"""Operations in an order that holds little, against the whole."""

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.ordered_stage import (
    OrderedStage,
)


@pytest.fixture
def traced():
    """(x, b) → sums with a repeated bias and with zeros, and b itself."""

    @tf.function(autograph=False)
    def function(x, b):
        repeated = tf.tile(tf.reshape(tf.exp(b), [1, 3]), [4, 1])
        hidden = tf.add_n([x, repeated, tf.raw_ops.ZerosLike(x=x)])
        return [tf.tanh(hidden), tf.reduce_sum(hidden), b]

    concrete = function.get_concrete_function(
        tf.TensorSpec([4, 3]), tf.TensorSpec([3])
    )
    return function, concrete


@pytest.fixture
def stage(traced):
    _, concrete = traced
    x, b = concrete.inputs
    names = [operation.name for operation in concrete.graph.get_operations()]
    return OrderedStage(names, concrete.outputs, kept=[x.name], given=[b.name])


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    x, b, c = (
        tf.constant(rng.standard_normal(shape), tf.float32)
        for shape in [(4, 3), (3,), (3,)]
    )
    return x, b, c


def assert_as_the_whole(found, function, x, b):
    for tensor, expected in zip(found, function(x, b), strict=True):
        # Twelve numbers up to 20 in another order, rounded to 24 bits.
        np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_each_is_as_the_whole(traced, stage, tensors, count):
    x, *several = tensors
    found = stage.of_each([x], [[b] for b in several[:count]])
    assert len(found) == count
    for outputs, b in zip(found, several, strict=False):
        assert_as_the_whole(outputs, traced[0], x, b)


@pytest.fixture
def nodes(stage, tensors):
    """What is called for one argument."""
    x, b, _ = tensors
    called = tf.function(stage.of_each, autograph=False)
    definition = called.get_concrete_function([x], [[b]]).graph.as_graph_def()
    return [n for f in definition.library.function for n in f.node_def]


def test_biases_are_not_repeated_nor_zeros_added(nodes):
    kinds = [node.op for node in nodes]
    assert "Tile" not in kinds
    assert "ZerosLike" not in kinds
    assert kinds.count("BiasAdd") == 1


def test_operations_wait_for_each_other(nodes):
    waits = [i for node in nodes for i in node.input if i.startswith("^")]
    assert waits


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (3, 1)])
def test_what_is_fixed_is_computed_once(count, expected):
    @tf.function(autograph=False)
    def function(x, b):
        return [b * tf.exp(x), b + tf.zeros_like(x)]

    vector = tf.TensorSpec([3])
    concrete = function.get_concrete_function(vector, vector)
    x, b = concrete.inputs
    names = [operation.name for operation in concrete.graph.get_operations()]
    stage = OrderedStage(names, concrete.outputs, kept=[x.name], given=[b.name])
    x = tf.constant([0.1, 0.2, 0.3])
    several = [[x + float(index)] for index in range(count)]
    for outputs, (b,) in zip(stage.of_each([x], several), several, strict=True):
        assert_as_the_whole(outputs, function, x, b)
    # Also where it is called, in functions of their own, once for each.
    called = tf.function(stage.of_each, autograph=False)
    definition = called.get_concrete_function([x], several).graph.as_graph_def()
    functions = {
        f.signature.name: f.node_def for f in definition.library.function
    }

    def count_of(nodes):
        total = 0
        for node in nodes:
            total += node.op == "Exp"
            if "f" in node.attr:
                total += count_of(functions[node.attr["f"].func.name])
        return total

    assert count_of(definition.node) == expected
