"""Nodes of a graph's definition."""

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.graph_nodes import (
    GraphNodes,
    fill,
    name_of,
)

FLOAT = tf.float32.as_datatype_enum


def computed(nodes, **tensors):
    """The value of the node "y"."""

    @tf.function(autograph=False)
    def function(tensors):
        return tf.graph_util.import_graph_def(
            nodes.definition, tensors, return_elements=["y:0"], name=""
        )

    return function(tensors)[0].numpy().tolist()


def test_nodes_compute_what_they_say():
    nodes = GraphNodes(tf.compat.v1.GraphDef())
    assert nodes.reshape("row", "x", [1, -1], FLOAT) == "row"
    assert nodes.add("y", "Neg", ["row"], T=FLOAT) == "y"
    assert computed(nodes, x=tf.constant([1.0, 2.0])) == [[-1.0, -2.0]]


def test_a_node_becomes_another_of_the_same_name():
    nodes = GraphNodes(tf.compat.v1.GraphDef())
    nodes.add("y", "Neg", ["x"], T=FLOAT)
    (node,) = nodes.definition.node
    copy = nodes.copy(node, "before")
    axes = nodes.constant("axes", [1])
    fill(node, "Sum", [copy, axes], T=FLOAT, Tidx=tf.int32.as_datatype_enum)
    assert computed(nodes, x=tf.constant([[1.0, 2.0]])) == [-3.0]


def test_bytes_are_attributes_too():
    nodes = GraphNodes(tf.compat.v1.GraphDef())
    nodes.add("y", "BiasAdd", ["x", "b"], T=FLOAT, data_format=b"NCHW")
    x, b = tf.zeros([1, 2, 1]), tf.constant([1.0, 2.0])
    assert computed(nodes, x=x, b=b) == [[[1.0], [2.0]]]


def test_names_of_first_outputs_have_no_number():
    with tf.Graph().as_default():
        first, second = tf.split(tf.zeros(4), 2)
        assert name_of(first) == first.op.name
        assert name_of(second) == f"{first.op.name}:1"
