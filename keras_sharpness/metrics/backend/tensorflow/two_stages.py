"""A traced function cut in two, at what some of its arguments change."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.compiled import compiled
from keras_sharpness.metrics.backend.tensorflow.graphs import (
    Subgraph,
    needed_operations,
    tensor_bytes,
)
from keras_sharpness.metrics.backend.tensorflow.smallest_cut import cut


class TwoStages:
    """A traced function of tensors a and b as `second(first(b), a)`.

    `first` computes what does not depend on a, and hands over as little of it
    as the rest of the operations need; what follows from that by cheap
    operations, `second` repeats. So a function that is called many times with
    the same b does the costly part of it once. The values are those of the
    whole function; optimised apart, they may differ in the last digits.

    Operations are cut as a graph, so that it works for whatever can be traced.
    Control dependencies are dropped.

    Args:
        function: TensorFlow concrete function whose first arguments are a.
        num_given: Int. The number of tensors in a.
        jit_compile: Bool. Whether `second` is compiled by XLA.

    Attributes:
        first: Function of the tensors b, flat, that returns a list of tensors,
            what is kept.
    """

    def __init__(self, function: Any, num_given: int, *, jit_compile: bool):
        graph = function.graph
        captures = {inner.name: outer for outer, inner in graph.captures}
        given = [tensor.name for tensor in function.inputs[:num_given]]
        others = [
            tensor.name
            for tensor in function.inputs[num_given:]
            if tensor.name not in captures
        ]
        wanted = [tensor.name for tensor in function.outputs]
        self._kept, after = cut(given, function.outputs, fused=jit_compile)
        kept = [tensor.name for tensor in self._kept]
        before = Subgraph(graph, needed_operations(self._kept))
        behind = Subgraph(graph, after)

        def first(tensors):
            here = tf.compat.v1.get_default_graph()
            known = dict(zip(others, tensors, strict=True))
            for name, outer in captures.items():
                known[name] = here.capture(outer)
            return before.compute(known, kept)

        def second(tensors, several):
            return [
                behind.compute(
                    dict(zip([*kept, *given], [*tensors, *a], strict=True)),
                    wanted,
                )
                for a in several
            ]

        self.first = compiled(first)
        self._second = compiled(second, jit_compile=jit_compile)

    def second(
        self, tensors: Sequence[Any], several: Sequence[Sequence[Any]]
    ) -> list[list[Any]]:
        """The outputs of the function for several a, by one call.

        Args:
            tensors: List, what `first` returned.
            several: List of lists of tensors.

        Returns:
            List of lists of tensors.
        """
        return self._second(list(tensors), [list(a) for a in several])

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
