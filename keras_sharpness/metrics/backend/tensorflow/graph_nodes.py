"""The definition of a graph, node by node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class GraphNodes:
    """The definition of a graph, node by node.

    Args:
        definition: `tf.compat.v1.GraphDef`, which gets the nodes.
    """

    def __init__(self, definition: Any):
        self.definition = definition

    def add(
        self,
        name: str,
        operation: str,
        inputs: Sequence[str],
        **attributes: Any,
    ) -> str:
        """Adds a node.

        Args:
            name: Str.
            operation: Str. Its type.
            inputs: List of names of tensors.
            **attributes: Each an int, the number of a dtype, or bytes.

        Returns:
            Str, the name.
        """
        node = self.definition.node.add(name=name)
        fill(node, operation, inputs, **attributes)
        return name

    def constant(self, name: str, values: Sequence[int]) -> str:
        """Adds a constant of integers; returns its name."""
        node = self.definition.node.add(name=name, op="Const")
        node.attr["dtype"].type = tf.int32.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(
            tf.make_tensor_proto(np.array(values, np.int32))
        )
        return name

    def reshape(
        self, name: str, tensor: str, shape: Sequence[int], dtype: int
    ) -> str:
        """Adds a tensor in another shape; returns its name."""
        return self.add(
            name,
            "Reshape",
            [tensor, self.constant(f"{name}/shape", shape)],
            T=dtype,
            Tshape=tf.int32.as_datatype_enum,
        )

    def copy(self, node: Any, name: str) -> str:
        """Adds a copy of a node under another name; returns the name."""
        copy = self.definition.node.add()
        copy.CopyFrom(node)
        copy.name = name
        return name


def fill(
    node: Any, operation: str, inputs: Sequence[str], **attributes: Any
) -> None:
    """Makes a node one of another operation; its name stays.

    Args:
        node: `NodeDef`.
        operation: Str. Its type.
        inputs: List of names of tensors.
        **attributes: As of `GraphNodes.add`.
    """
    name = node.name
    node.Clear()
    node.name, node.op = name, operation
    node.input.extend(inputs)
    for key, value in attributes.items():
        if isinstance(value, bytes):
            node.attr[key].s = value
        else:
            node.attr[key].type = value


def name_of(tensor: tf.Tensor) -> str:
    """The name by which nodes call a tensor."""
    # The first output has no number.
    return tensor.name.removesuffix(":0")
