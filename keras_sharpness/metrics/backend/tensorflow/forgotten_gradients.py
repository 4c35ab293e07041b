"""Custom gradients that TensorFlow would keep for ever."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.framework import ops

_PREFIX = "CustomGradient-"


@contextlib.contextmanager
def forgotten_gradients() -> Iterator[None]:
    """After the block the graph that is traced in it can be freed.

    `tf.custom_gradient` enters a function for each of its calls in a graph into
    a registry of the process, and never takes it out; the function holds the
    graph. Half a megabyte stayed of each small objective. Derivatives are taken
    while a graph is traced here, and nobody asks for them later. What has a
    name of its own is left alone.

    Yields:
        Nothing.
    """
    yield
    if tf.executing_eagerly():
        return
    # TensorFlow's own name; there is no public way to take one out.
    registry = ops.gradient_registry._registry
    for operation in tf.compat.v1.get_default_graph().get_operations():
        if operation.type == "IdentityN":
            with contextlib.suppress(ValueError):
                name = operation.get_attr("_gradient_op_type").decode()
                if name.startswith(_PREFIX):
                    registry.pop(name, None)
