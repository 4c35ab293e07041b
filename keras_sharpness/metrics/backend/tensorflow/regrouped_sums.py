"""Sums of a traced graph over axes that XLA is slow with."""

import dataclasses
import itertools
import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.graph_nodes import (
    GraphNodes,
    fill,
)

# XLA for the CPU takes longer sums in windows of as many terms: it writes the
# terms into memory, the sums of the windows, and adds those up.
_WINDOW = 32
# Of a length; with windows of 32 it may be 32,768.
_MOST_FACTORS = 3


@dataclasses.dataclass(frozen=True)
class Grouping:
    """Another shape for what is summed, and the axes that are then summed.

    Args:
        shape: Tuple of ints, -1 for one that follows from the others.
        axes: Tuple of ints.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]


def regrouped_sums(
    names: Collection[str], outputs: Iterable[Any]
) -> dict[str, Grouping]:
    """Sums of a graph that XLA computes faster in another shape.

    * Those over the last axis, as of a softmax, or of what a normalisation
      computes of every sample. In several axes, none longer than a window, XLA
      sums it in the loop that computes the terms. The other axes become one:
      left as they are, XLA would undo the change.
    * Those over several axes before the last ones, as of a derivative by a
      bias. Here they are one axis: windows over one are faster than over two.

    For a transformer encoder that was 5 % of the time of a block of Hessian
    products. Values differ in the last digits.

    Args:
        names: Names of operations of one graph.
        outputs: Tensors of the same graph.

    Returns:
        Dict. Names of operations to their `Grouping`.
    """
    outputs = list(outputs)
    if not outputs:
        return {}
    graph = outputs[0].graph
    found = {}
    for name in sorted(names):
        operation = graph.get_operation_by_name(name)
        if operation.type == "Sum":
            grouping = _grouping(operation)
            if grouping is not None:
                found[name] = grouping
    return found


def regroup(nodes: GraphNodes, node: Any, *, total: Any, to: Grouping) -> None:
    """Makes a sum one over other axes of the same terms.

    Args:
        nodes: `GraphNodes` of the sum.
        node: `NodeDef`, the sum's.
        total: The sum's operation.
        to: `Grouping`.
    """
    name, dtype = node.name, node.attr["T"].type
    terms = nodes.reshape(f"{name}/terms", node.input[0], to.shape, dtype)
    axes = nodes.constant(f"{name}/axes", to.axes)
    index = tf.int32.as_datatype_enum
    summed = nodes.add(
        f"{name}/total", "Sum", [terms, axes], T=dtype, Tidx=index
    )
    lengths = [
        -1 if length is None else length for length in total.outputs[0].shape
    ]
    shape = nodes.constant(f"{name}/shape", lengths)
    fill(node, "Reshape", [summed, shape], T=dtype, Tshape=index)


def _grouping(operation: Any) -> Grouping | None:
    shape = operation.inputs[0].shape
    axes = tf.get_static_value(operation.inputs[1])
    if axes is None or not shape.rank or shape.rank < 3:
        return None
    if operation.outputs[0].shape.as_list().count(None) > 1:
        # Could not be written down as a shape.
        return None
    lengths = shape.as_list()
    summed = sorted({int(axis) % shape.rank for axis in np.ravel(axes)})
    long = [axis for axis in summed if lengths[axis] != 1]
    if len(long) == 1:
        (axis,) = long
        if all(length == 1 for length in lengths[axis + 1 :]):
            return _apart(lengths[axis])
    elif summed and summed == list(range(len(summed))):
        behind = lengths[len(summed) :]
        if behind and all(behind):
            return Grouping((-1, math.prod(behind)), (0,))
    return None


def _apart(length: int | None) -> Grouping | None:
    """A last axis as several, none longer than a window."""
    if length is None or length <= _WINDOW:
        return None
    divisors = [d for d in range(2, _WINDOW + 1) if length % d == 0]
    for count in range(2, _MOST_FACTORS + 1):
        found = [
            factors
            for factors in itertools.combinations_with_replacement(
                divisors, count
            )
            if math.prod(factors) == length
        ]
        if found:
            factors = min(found, key=max)
            return Grouping((-1, *factors), tuple(range(1, count + 1)))
    return None
