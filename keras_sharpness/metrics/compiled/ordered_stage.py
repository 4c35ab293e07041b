"""Operations of a traced graph in an order that holds little at once."""

import functools
from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.compiled.added_biases import (
    add_bias,
    added_biases,
)
from keras_sharpness.metrics.compiled.idle_zeros import idle_zeros
from keras_sharpness.metrics.compiled.memory_order import (
    memory_order,
    waiting_for,
)
from keras_sharpness.metrics.compiled.subgraph import Subgraph
from keras_sharpness.metrics.compiled.traced_once import TracedOnce


class OrderedStage:
    """Operations of a traced graph in an order that holds little at once.

    Zeros are not added, and biases not repeated for every sample.

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
        zeros = idle_zeros(names, outputs)
        biases = added_biases(set(names) - zeros, outputs)
        repeated = set(biases.values())
        self._subgraph = Subgraph(
            graph,
            set(names) - zeros - repeated,
            zeros=zeros | repeated,
            rewritten={
                total: functools.partial(
                    add_bias, tile=graph.get_operation_by_name(tile)
                )
                for total, tile in biases.items()
            },
            waits=_waits(set(names) - zeros, repeated, outputs),
        )
        self._names = [*kept, *given]
        self._outputs = [tensor.name for tensor in outputs]
        # Copies in one graph are optimised together, which of a large network
        # takes as long as hundreds of products. A function is optimised once.
        self._compute_one = tf.function(
            self._compute,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )
        self._each = TracedOnce(self._compute_each, graph, kept, given)

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
        return self._each(tensors, several)

    def _compute_each(
        self, tensors: Sequence[Any], several: Sequence[Sequence[Any]]
    ) -> list[list[Any]]:
        if len(several) == 1:
            return [self._compute(tensors, several[0])]
        return [self._compute_one(tensors, argument) for argument in several]

    def _compute(
        self, tensors: Sequence[Any], argument: Sequence[Any]
    ) -> list[Any]:
        known = dict(zip(self._names, [*tensors, *argument], strict=True))
        return self._subgraph.compute(known, self._outputs)


def _waits(
    names: set[str], left_out: set[str], outputs: Sequence[Any]
) -> dict[str, str]:
    # Placeholders are no operations of the stage.
    operations = (outputs[0].graph.get_operation_by_name(n) for n in names)
    computed = [op.name for op in operations if op.type != "Placeholder"]
    # In the order, too, for what they are computed from is still needed.
    order = memory_order(computed, outputs)
    return waiting_for([op for op in order if op.name not in left_out])
