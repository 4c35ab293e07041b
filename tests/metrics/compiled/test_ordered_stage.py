"""Operations in an order that holds little, against the whole."""

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.compiled.ordered_stage import OrderedStage


@pytest.fixture
def traced():
    """(x, b) → sums with a repeated bias and with zeros, and b itself."""

    @tf.function(autograph=False)
    def function(x, b):
        repeated = tf.tile(tf.reshape(tf.exp(b), [1, 3]), [4, 1])
        hidden = tf.add_n([x, repeated, tf.zeros_like(x)])
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


def test_one_is_as_the_whole(traced, stage, tensors):
    x, b, _ = tensors
    found = tf.function(stage.of_one, autograph=False)([x], [b])
    assert_as_the_whole(found, traced[0], x, b)


def test_several_are_each_as_the_whole(traced, stage, tensors):
    x, b, c = tensors
    found = tf.function(stage.of_each, autograph=False)([x], [[b], [c]])
    assert_as_the_whole(found[0], traced[0], x, b)
    assert_as_the_whole(found[1], traced[0], x, c)


def test_biases_are_not_repeated_nor_zeros_added(stage, tensors):
    x, b, _ = tensors
    called = tf.function(stage.of_one, autograph=False)
    graph = called.get_concrete_function([x], [b]).graph
    operations = graph.get_operations()
    types = [operation.type for operation in operations]
    assert "Tile" not in types
    assert "ZerosLike" not in types
    (bias,) = (o for o in operations if o.type == "BiasAdd")
    assert bias.inputs[0].shape == (4, 3)
    assert bias.inputs[1].shape == (3,)


def test_operations_wait_for_each_other(stage, tensors):
    x, b, _ = tensors
    called = tf.function(stage.of_one, autograph=False)
    graph = called.get_concrete_function([x], [b]).graph
    assert any(operation.control_inputs for operation in graph.get_operations())
