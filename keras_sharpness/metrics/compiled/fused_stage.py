"""Operations of a traced graph that XLA compiles, for several arguments."""

from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.compiled.last_products import last_products
from keras_sharpness.metrics.compiled.subgraph import Subgraph


class FusedStage:
    """Operations of a traced graph that XLA compiles, for several arguments.

    All but large products of matrices at their end, which TensorFlow's own
    operations compute faster.

    Args:
        names: Names of operations of a graph.
        outputs: Tensors of that graph, which they compute.
        kept: Names of tensors from which they start, the same for every
            argument.
        given: Names of the tensors of an argument.
    """

    def __init__(
        self,
        names: Collection[str],
        outputs: Sequence[Any],
        *,
        kept: Sequence[str],
        given: Sequence[str],
    ):
        graph = outputs[0].graph
        last = last_products(names, outputs)
        before = set(names) - last
        wanted = [
            *outputs,
            *(t for n in last for t in graph.get_operation_by_name(n).inputs),
        ]
        self._handed = sorted(
            {tensor.name for tensor in wanted if tensor.op.name in before}
        )
        self._outputs = [tensor.name for tensor in outputs]
        self._kept, self._given = kept, given
        self._before = Subgraph(graph, before)
        self._last = Subgraph(graph, last)
        self._fused = tf.function(
            self._compute_before, autograph=False, jit_compile=True
        )
        self._fused._omit_frequent_tracing_warning = True

    def of_one(
        self, tensors: Sequence[Any], argument: Sequence[Any]
    ) -> list[Any]:
        """The outputs for one argument.

        Args:
            tensors: List of those that are kept.
            argument: List of tensors.

        Returns:
            List of tensors.
        """
        return self.of_each(tensors, [argument])[0]

    def of_each(
        self, tensors: Sequence[Any], several: Sequence[Sequence[Any]]
    ) -> list[list[Any]]:
        """The outputs for each of several arguments.

        Args:
            tensors: List of those that are kept.
            several: List of lists of tensors.

        Returns:
            List of lists of tensors.
        """
        return [
            self._last.compute(
                self._known(tensors, argument)
                | dict(zip(self._handed, handed, strict=True)),
                self._outputs,
            )
            for argument, handed in zip(
                several, self._fused(tensors, several), strict=True
            )
        ]

    def _compute_before(
        self, tensors: Sequence[Any], several: Sequence[Sequence[Any]]
    ) -> list[list[Any]]:
        return [
            self._before.compute(self._known(tensors, argument), self._handed)
            for argument in several
        ]

    def _known(
        self, tensors: Sequence[Any], argument: Sequence[Any]
    ) -> dict[str, Any]:
        return dict(
            zip([*self._kept, *self._given], [*tensors, *argument], strict=True)
        )
