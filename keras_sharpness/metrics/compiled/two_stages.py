"""A traced function cut in two, at what some of its arguments change."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.compiled.memory_order import (
    memory_order,
    waiting_for,
)
from keras_sharpness.metrics.compiled.smallest_cut import cut
from keras_sharpness.metrics.compiled.subgraph import Subgraph
from keras_sharpness.metrics.compiled.tensor_bytes import tensor_bytes


class TwoStages:
    """A traced function of tensors a and b as `second(first(b), a)`.

    `first` computes what does not depend on a, and hands over as little of it
    as the rest of the operations need; what follows from that by cheap
    operations, `second` repeats. So a function that is called many times with
    the same b does the costly part of it once. The values are those of the
    whole function; optimised apart, they may differ in the last digits.

    Operations are cut as a graph, so that it works for whatever can be traced.
    Control dependencies are dropped. The second stage runs in an order in which
    little is held at once, unless XLA compiles it, which has an order of its
    own; and zeros are not added.

    Args:
        function: TensorFlow concrete function whose first arguments are a.
        num_given: Int. The number of tensors in a.
        jit_compile: Bool. Whether `second` is compiled by XLA.
        num_first: Int. How many outputs, the last ones, `first` returns and
            `second` does not; they must not depend on a.

    Attributes:
        first: Function of the tensors b, flat, that returns a list of tensors,
            what is kept and its own outputs behind.
        second: Function of that list and the tensors a, flat, that returns the
            outputs of `function`, flat.
        second_of_each: Function of that list and several a, each a flat list,
            that returns as many lists of outputs. Their operations may run
            side by side, where one of `second` alone leaves cores idle.
    """

    def __init__(
        self,
        function: Any,
        num_given: int,
        *,
        jit_compile: bool,
        num_first: int = 0,
    ):
        graph = function.graph
        captures = {inner.name: outer for outer, inner in graph.captures}
        given = [tensor.name for tensor in function.inputs[:num_given]]
        others = [
            tensor.name
            for tensor in function.inputs[num_given:]
            if tensor.name not in captures
        ]
        count = len(function.outputs) - num_first
        outputs = [tensor.name for tensor in function.outputs[:count]]
        early = function.outputs[count:]
        self._kept, after = cut(
            given, function.outputs[:count], fused=jit_compile
        )
        zeros = _idle_zeros(after, function.outputs)
        after -= zeros
        waits = {} if jit_compile else _waits(after, function.outputs[:count])
        kept = [tensor.name for tensor in self._kept]
        found = [*kept, *(tensor.name for tensor in early)]
        before = Subgraph(graph, _needed([*self._kept, *early]))
        behind = Subgraph(graph, after, zeros=zeros, waits=waits)

        def first(tensors):
            here = tf.compat.v1.get_default_graph()
            known = dict(zip(others, tensors, strict=True))
            for name, outer in captures.items():
                known[name] = here.capture(outer)
            return before.compute(known, found)

        def second(tensors, vectors):
            known = dict(zip(kept, tensors[: len(kept)], strict=True))
            known.update(zip(given, vectors, strict=True))
            return behind.compute(known, outputs)

        # Copies in one graph are optimised together, which of a large network
        # takes as long as hundreds of products. A function is optimised once.
        called = tf.function(
            second,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )

        def second_of_each(tensors, several):
            one = second if jit_compile else called
            return [one(tensors, vectors) for vectors in several]

        self.first = tf.function(first, autograph=False)
        self.second, self.second_of_each = (
            tf.function(stage, autograph=False, jit_compile=jit_compile or None)
            for stage in (second, second_of_each)
        )
        for stage in (self.first, self.second, self.second_of_each, called):
            # TensorFlow takes those of all functions for one that is traced
            # again and again, and advises against it.
            stage._omit_frequent_tracing_warning = True

    def num_bytes(self, batch_size: int) -> int:
        """Bytes of what `first` computes, arguments and variables left out.

        Args:
            batch_size: Int. For axes whose length the graph leaves open.

        Returns:
            Int.
        """
        return sum(
            tensor_bytes(tensor, batch_size)
            for tensor in self._kept
            if tensor.op.type not in ("Placeholder", "ReadVariableOp")
        )


def _idle_zeros(names: set[str], outputs: list[Any]) -> set[str]:
    """Zeros that are only added to something.

    The second derivative of a ReLU is one, as large as its activations.
    """
    idle = set()
    for name in names - {tensor.op.name for tensor in outputs}:
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


def _waits(names: set[str], outputs: list[Any]) -> dict[str, str]:
    # Placeholders are no operations of the stage.
    operations = (outputs[0].graph.get_operation_by_name(n) for n in names)
    computed = [op.name for op in operations if op.type != "Placeholder"]
    return waiting_for(memory_order(computed, outputs))


def _needed(tensors: Iterable[Any]) -> set[str]:
    """The operations that tensors are computed from."""
    needed: set[str] = set()
    stack = [tensor.op for tensor in tensors]
    while stack:
        operation = stack.pop()
        if operation.name not in needed:
            needed.add(operation.name)
            stack.extend(tensor.op for tensor in operation.inputs)
    return needed
