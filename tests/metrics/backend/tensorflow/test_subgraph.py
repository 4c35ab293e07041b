"""Operations of one graph, computed in another."""

import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.dependent_operations import (
    dependent_operations,
)
from keras_sharpness.metrics.backend.tensorflow.graph_nodes import fill
from keras_sharpness.metrics.backend.tensorflow.subgraph import Subgraph


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


def test_runs_in_the_order_asked_for(traced):
    operations = traced.graph.get_operations()
    first, second = (o.name for o in operations if o.type == "Square")
    names = {operation.name for operation in operations}
    part = Subgraph(traced.graph, names, waits={first: second})

    @tf.function(autograph=False)
    def elsewhere(a, b):
        known = {
            tensor.name: value
            for tensor, value in zip(traced.inputs, (a, b), strict=True)
        }
        return part.compute(known, [traced.outputs[0].name])

    scalar = tf.TensorSpec([])
    graph = elsewhere.get_concrete_function(scalar, scalar).graph
    waits = {
        operation.name: [other.type for other in operation.control_inputs]
        for operation in graph.get_operations()
        if operation.type == "Square"
    }
    assert sorted(waits.values()) == [[], ["Square"]]


def to_negative_square(nodes, node):
    dtype = node.attr["T"].type
    square = nodes.add("square", "Square", list(node.input), T=dtype)
    fill(node, "Neg", [square], T=dtype)


def test_sums_leave_out_zeros_and_nodes_can_be_made_others():
    @tf.function(autograph=False)
    def function(x, y):
        total = tf.add_n([x, tf.raw_ops.ZerosLike(x=x), y])
        return [tf.exp(total)]

    x, y = tf.constant([1.0, 2.0]), tf.constant([10.0, 20.0])
    concrete = function.get_concrete_function(x, y)
    graph = concrete.graph
    by_type = {o.type: o.name for o in graph.get_operations()}
    part = Subgraph(
        graph,
        {o.name for o in graph.get_operations()} - {by_type["ZerosLike"]},
        zeros=[by_type["ZerosLike"]],
        rewritten={by_type["Exp"]: to_negative_square},
    )
    names = [tensor.name for tensor in concrete.inputs]

    @tf.function(autograph=False)
    def elsewhere(x, y):
        known = dict(zip(names, (x, y), strict=True))
        return part.compute(known, [tensor.name for tensor in concrete.outputs])

    assert elsewhere(x, y)[0].numpy().tolist() == [-(11.0**2), -(22.0**2)]
    operations = elsewhere.get_concrete_function(x, y).graph.get_operations()
    (sums,) = (o for o in operations if o.type == "AddN")
    assert len(sums.inputs) == 2
