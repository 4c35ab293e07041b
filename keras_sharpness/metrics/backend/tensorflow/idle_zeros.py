"""Zeros of a traced graph that are only added to something."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def idle_zeros(names: Collection[str], outputs: Sequence[Any]) -> set[str]:
    """Zeros of a traced graph that are only added to something.

    The second derivative of a ReLU is one, as large as its activations.

    Args:
        names: Names of operations of one graph.
        outputs: Tensors of the same graph.

    Returns:
        Set of those names whose operations sums can do without.
    """
    idle = set()
    for name in set(names) - {tensor.op.name for tensor in outputs}:
        operation = outputs[0].graph.get_operation_by_name(name)
        if _is_zero(operation):
            users = operation.outputs[0].consumers()
            if all(
                user.type == "AddN"
                and not all(_is_zero(tensor.op) for tensor in user.inputs)
                for user in users
                if user.name in names
            ):
                idle.add(name)
    return idle


def _is_zero(operation: Any) -> bool:
    if operation.type == "Fill":
        return _is_zero(operation.inputs[1].op)
    if operation.type == "Const":
        return not np.any(tf.get_static_value(operation.outputs[0]))
    return operation.type == "ZerosLike"
