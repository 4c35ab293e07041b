"""Operations of a traced graph that XLA compiles, for several arguments."""

import functools
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.dependent_operations import (
    dependent_operations,
)
from keras_sharpness.metrics.backend.tensorflow.last_products import (
    last_products,
)
from keras_sharpness.metrics.backend.tensorflow.ordered_stage import (
    OrderedStage,
)
from keras_sharpness.metrics.backend.tensorflow.regrouped_sums import (
    regroup,
    regrouped_sums,
)
from keras_sharpness.metrics.backend.tensorflow.subgraph import Subgraph
from keras_sharpness.metrics.backend.tensorflow.traced_once import TracedOnce


class FusedStage:
    """Operations of a traced graph that XLA compiles, for several arguments.

    All but large products of matrices at their end, which TensorFlow's own
    operations compute faster; and sums in a shape that XLA is fast with. Of the
    products' factors, those that do not depend on the argument are computed
    once for several arguments. For a single one they are computed again where
    they are needed, layer by layer: handed over, those of all layers would be
    held at once, beside several arguments a small part.

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
        behind = _with_sources(last, fixed, graph)
        wanted = [*outputs, *_inputs(behind, graph)]
        self._handed = (
            _computed_by(names - behind, wanted)
            if last
            else [tensor.name for tensor in outputs]
        )
        self._shared = _computed_by(behind - last, _inputs(last, graph))
        self._names = [*kept, *given]
        before = names - last
        self._before = Subgraph(
            graph,
            before,
            rewritten={
                name: functools.partial(
                    regroup,
                    total=graph.get_operation_by_name(name),
                    to=grouping,
                )
                for name, grouping in regrouped_sums(before, outputs).items()
            },
        )
        self._behind_one = self._behind_several = None
        if last:
            given_behind = [*given, *self._handed]
            self._behind_one = OrderedStage(
                behind, outputs, kept=kept, given=given_behind
            )
            self._behind_several = OrderedStage(
                last,
                outputs,
                kept=[*kept, *self._shared],
                given=given_behind,
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
        shared, handed = self._fused(tensors, several)
        if self._behind_one is None:
            return handed
        arguments = [[*a, *h] for a, h in zip(several, handed, strict=True)]
        if len(several) == 1:
            return self._behind_one.of_each(tensors, arguments)
        return self._behind_several.of_each([*tensors, *shared], arguments)

    def _compute_before(
        self, tensors: Sequence[Any], several: Sequence[Sequence[Any]]
    ) -> tuple[list[Any], list[list[Any]]]:
        shared, handed = [], []
        for index, argument in enumerate(several):
            found = self._before.compute(
                dict(zip(self._names, [*tensors, *argument], strict=True)),
                # By the second, so that a single one does without.
                self._handed + (self._shared if index == 1 else []),
            )
            handed.append(found[: len(self._handed)])
            shared += found[len(self._handed) :]
        return shared, handed


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


def _computed_by(names: Collection[str], tensors: Iterable[Any]) -> list[str]:
    """Those of some tensors that operations compute, each once."""
    return list(dict.fromkeys(t.name for t in tensors if t.op.name in names))


def _inputs(names: Iterable[str], graph: tf.Graph) -> list[Any]:
    # In an order that is the same in every process, as that of a set is not:
    # arguments of compiled functions follow from it.
    operations = map(graph.get_operation_by_name, sorted(names))
    return [tensor for operation in operations for tensor in operation.inputs]
