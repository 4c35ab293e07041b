"""What follows in a graph, how large it is, and parts of it elsewhere."""

import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.graphs import (
    Subgraph,
    dependent_operations,
    mean_bytes,
    needed_operations,
    tensor_bytes,
)


@pytest.fixture
def traced():
    """(a, b) → [a² + b², b³], and the function's graph."""

    @tf.function(autograph=False)
    def function(a, b):
        return [tf.square(a) + tf.square(b), b * b * b]

    scalar = tf.TensorSpec([])
    return function.get_concrete_function(scalar, scalar)


def test_computes_what_takes_the_place_of_its_tensors(traced):
    a, _ = traced.inputs
    names = dependent_operations([a.name], traced.outputs)
    (square,) = (
        tensor
        for operation in names.values()
        for tensor in operation.inputs
        if tensor.op.name not in names
    )
    part = Subgraph(traced.graph, names.keys())
    outputs = [tensor.name for tensor in traced.outputs]

    @tf.function(autograph=False)
    def elsewhere(x, y, z):
        known = {a.name: x, square.name: y, outputs[1]: z}
        return part.compute(known, outputs)

    found = elsewhere(tf.constant(3.0), tf.constant(4.0), tf.constant(5.0))
    # 3² and what stands for b²; the second output is known already.
    assert [float(tensor) for tensor in found] == [13.0, 5.0]
    operations = elsewhere.get_concrete_function(
        *[tf.TensorSpec([])] * 3
    ).graph.get_operations()
    assert not any(operation.type == "Mul" for operation in operations)
    assert sum(operation.type == "Square" for operation in operations) == 1


def test_all_that_leads_to_a_tensor_is_needed_and_nothing_else():
    with tf.Graph().as_default():
        a, b = tf.constant(1.0), tf.constant(2.0)
        c = a + b
        d, e = tf.exp(c), tf.sin(c)
        assert needed_operations([d]) == {t.op.name for t in (a, b, c, d)}
        assert needed_operations([d, e], known={c.name}) == {
            d.op.name,
            e.op.name,
        }
        assert needed_operations([d], known={d.name}) == set()


def test_what_depends_on_a_tensor():
    @tf.function(autograph=False)
    def function(a, b):
        return [tf.square(a) + tf.square(b), b * b * b]

    scalar = tf.TensorSpec([])
    traced = function.get_concrete_function(scalar, scalar)
    a, b = traced.inputs
    of_a = dependent_operations([a.name], traced.outputs)
    of_b = dependent_operations([b.name], traced.outputs)
    types = sorted(operation.type for operation in of_a.values())
    # The last one returns the sum.
    assert types == ["AddV2", "Identity", "Placeholder", "Square"]
    assert sum(operation.type == "Mul" for operation in of_b.values()) == 2
    assert dependent_operations([a.name], traced.outputs[1:]) == {}
    assert dependent_operations([a.name], []) == {}


def multiplication():
    @tf.function(
        input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([3, 5])]
    )
    def multiply(x, w):
        return tf.linalg.matmul(x, w)

    return multiply.get_concrete_function()


def test_bytes_of_a_graph():
    # The product and the identity that returns it, 7 x 5 float32 each.
    assert mean_bytes(multiplication(), 7) == 7 * 5 * 4


def test_bytes_of_a_tensor():
    x, w = multiplication().inputs
    assert tensor_bytes(x, 7) == 7 * 3 * 4
    assert tensor_bytes(w, 7) == 3 * 5 * 4


def test_of_unknown_rank():
    with tf.Graph().as_default():
        assert tensor_bytes(tf.compat.v1.placeholder("float32"), 7) == 0
