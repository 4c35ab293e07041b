"""Operations of a traced graph that XLA compiles, for several arguments."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.compiled.dependent_operations import (
    dependent_operations,
)
from keras_sharpness.metrics.compiled.last_products import last_products
from keras_sharpness.metrics.compiled.ordered_stage import OrderedStage
from keras_sharpness.metrics.compiled.subgraph import Subgraph
from keras_sharpness.metrics.compiled.traced_once import TracedOnce


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
        names = set(names)
        last = last_products(names, outputs)
        fixed = names - dependent_operations(given, outputs).keys()
        # What does not depend on the argument is computed again, where it is
        # needed: handed over, all layers' would be held at once.
        behind = _with_sources(last, fixed, graph)
        wanted = [*outputs, *_inputs(behind, graph)]
        self._handed = (
            list(
                dict.fromkeys(
                    t.name for t in wanted if t.op.name in names - behind
                )
            )
            if last
            else [tensor.name for tensor in outputs]
        )
        self._names = [*kept, *given]
        self._before = Subgraph(graph, names - last)
        self._behind = (
            OrderedStage(
                behind, outputs, kept=kept, given=[*given, *self._handed]
            )
            if last
            else None
        )
        self._fused = TracedOnce(
            self._compute_before, graph, kept, given, jit_compile=True
        )

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
        handed = self._fused(tensors, several)
        if self._behind is None:
            return handed
        return self._behind.of_each(
            tensors,
            [[*a, *h] for a, h in zip(several, handed, strict=True)],
        )

    def _compute_before(
        self, tensors: Sequence[Any], several: Sequence[Sequence[Any]]
    ) -> list[list[Any]]:
        return [
            self._before.compute(
                dict(zip(self._names, [*tensors, *argument], strict=True)),
                self._handed,
            )
            for argument in several
        ]


def _with_sources(
    names: Iterable[str], others: Collection[str], graph: tf.Graph
) -> set[str]:
    """Operations, and those of others that they are computed from."""
    found: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack.extend(
                tensor.op.name
                for tensor in _inputs([name], graph)
                if tensor.op.name in others
            )
    return found


def _inputs(names: Iterable[str], graph: tf.Graph) -> list[Any]:
    return [t for n in names for t in graph.get_operation_by_name(n).inputs]
