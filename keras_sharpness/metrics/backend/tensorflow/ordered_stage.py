"""Operations of a traced graph in an order that holds little at once."""

import functools
from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.added_biases import (
    add_bias,
    added_biases,
)
from keras_sharpness.metrics.backend.tensorflow.dependent_operations import (
    dependent_operations,
)
from keras_sharpness.metrics.backend.tensorflow.idle_zeros import idle_zeros
from keras_sharpness.metrics.backend.tensorflow.memory_order import (
    memory_order,
    waiting_for,
)
from keras_sharpness.metrics.backend.tensorflow.needed_operations import (
    needed_operations,
)
from keras_sharpness.metrics.backend.tensorflow.subgraph import Subgraph
from keras_sharpness.metrics.backend.tensorflow.traced_once import TracedOnce

# To be computed for every argument: held for all, they would take memory.
_CHEAP = frozenset(
    {"Const", "Empty", "Fill", "Placeholder", "Reshape", "Tile", "ZerosLike"}
)


class OrderedStage:
    """Operations of a traced graph in an order that holds little at once.

    Zeros are not added, and biases not repeated for every sample. What does not
    depend on the argument is computed once for several, and held meanwhile: 5
    to 15 % of what is computed for a gradient. For a single one it is computed
    where it is needed.

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
        self._graph = graph = outputs[0].graph
        self._names, self._outputs = set(names), list(outputs)
        self._kept, self._given = list(kept), list(given)
        dependent = dependent_operations(given, outputs).keys()
        self._fixed = self._names - dependent
        self._shared = _costly_inputs(
            self._names & dependent, self._fixed, graph
        )
        # Copies in one graph are optimised together, which of a large network
        # takes as long as hundreds of products. A function is optimised once.
        self._compute_behind = tf.function(
            self._behind_shared,
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
            return [self._behind_shared(tensors, [], several[0])]
        shared = Subgraph(self._graph, self._fixed).compute(
            dict(zip(self._kept, tensors, strict=True)), self._shared
        )
        return [
            self._compute_behind(tensors, shared, argument)
            for argument in several
        ]

    def _behind_shared(
        self,
        tensors: Sequence[Any],
        shared: Sequence[Any],
        argument: Sequence[Any],
    ) -> list[Any]:
        """The outputs, from what is shared or, without it, from the start."""
        known = dict(zip(self._kept, tensors, strict=True))
        known |= zip(self._given, argument, strict=True)
        known |= dict(zip(self._shared, shared, strict=False))
        names = self._names & needed_operations(self._outputs, known)
        return _ordered(names, self._outputs).compute(
            known, [tensor.name for tensor in self._outputs]
        )


def _ordered(names: set[str], outputs: Sequence[Any]) -> Subgraph:
    graph = outputs[0].graph
    zeros = idle_zeros(names, outputs)
    names = names - zeros
    biases = added_biases(names, outputs)
    repeated = set(biases.values())
    return Subgraph(
        graph,
        names - repeated,
        zeros=zeros | repeated,
        rewritten={
            total: functools.partial(
                add_bias, tile=graph.get_operation_by_name(tile)
            )
            for total, tile in biases.items()
        },
        waits=_waits(names, repeated, outputs),
    )


def _costly_inputs(
    names: set[str], others: set[str], graph: tf.Graph
) -> list[str]:
    """Tensors that some operations take from others that have work to do."""
    found = {
        tensor.name: None
        # In an order that is the same in every process.
        for name in sorted(names)
        for tensor in graph.get_operation_by_name(name).inputs
        if tensor.op.name in others and tensor.op.type not in _CHEAP
    }
    return list(found)


def _waits(
    names: set[str], left_out: set[str], outputs: Sequence[Any]
) -> dict[str, str]:
    # Placeholders are no operations of the stage.
    operations = (outputs[0].graph.get_operation_by_name(n) for n in names)
    computed = [op.name for op in operations if op.type != "Placeholder"]
    # In the order, too, for what they are computed from is still needed.
    order = memory_order(computed, outputs)
    return waiting_for([op for op in order if op.name not in left_out])
