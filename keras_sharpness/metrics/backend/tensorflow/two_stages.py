"""A traced function cut in two, at what some of its arguments change."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.fused_stage import FusedStage
from keras_sharpness.metrics.backend.tensorflow.graph_function import (
    GraphFunction,
)
from keras_sharpness.metrics.backend.tensorflow.needed_operations import (
    needed_operations,
)
from keras_sharpness.metrics.backend.tensorflow.ordered_stage import (
    OrderedStage,
)
from keras_sharpness.metrics.backend.tensorflow.smallest_cut import cut
from keras_sharpness.metrics.backend.tensorflow.subgraph import Subgraph
from keras_sharpness.metrics.backend.tensorflow.tensor_bytes import tensor_bytes


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
        num_first: Int. How many outputs, the last ones, `first` returns and
            `second` does not; they must not depend on a.

    Attributes:
        first: Function of the tensors b, flat, that returns a list of tensors,
            what is kept and its own outputs behind.
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
        early = function.outputs[count:]
        self._kept, after = cut(
            given, function.outputs[:count], fused=jit_compile
        )
        kept = [tensor.name for tensor in self._kept]
        found = [*kept, *(tensor.name for tensor in early)]
        before = Subgraph(graph, needed_operations([*self._kept, *early]))
        self._behind = (FusedStage if jit_compile else OrderedStage)(
            after, function.outputs[:count], kept=kept, given=given
        )

        def first(tensors):
            here = tf.compat.v1.get_default_graph()
            known = dict(zip(others, tensors, strict=True))
            for name, outer in captures.items():
                known[name] = here.capture(outer)
            return before.compute(known, found)

        self.first = GraphFunction(first)

    def second(self, tensors: Sequence[Any], given: Sequence[Any]) -> list[Any]:
        """The outputs of the function.

        Args:
            tensors: List, what `first` returned.
            given: List of tensors, a.

        Returns:
            List of tensors.
        """
        return self.second_of_each(tensors, [given])[0]

    def second_of_each(
        self, tensors: Sequence[Any], several: Sequence[Sequence[Any]]
    ) -> list[list[Any]]:
        """The outputs for several a.

        Their operations may run side by side, where one of `second` alone
        leaves cores idle.

        Args:
            tensors: List, what `first` returned.
            several: List of lists of tensors.

        Returns:
            List of lists of tensors.
        """
        return self._behind.of_each(tensors[: len(self._kept)], several)

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
