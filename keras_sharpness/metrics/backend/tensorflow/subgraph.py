"""Some operations of a traced graph, to be computed elsewhere."""

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from typing import Any

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.graph_nodes import GraphNodes


class Subgraph:
    """Some operations of a traced graph, to be computed elsewhere.

    Control dependencies are dropped: what is asked for is computed, and
    nothing else. So are wishes to stand beside an operation, which need not be
    among them.

    Args:
        graph: `tf.Graph`, as it is now.
        names: Names of operations of it; placeholders among them do not count.
        zeros: Names of operations whose results `AddN` is to leave out.
        rewritten: Dict. The name of an operation to a callable
            `(nodes, node)`, which makes its node another with the same output;
            of what it needs it may add nodes.
        waits: Dict. The name of an operation to that of one it waits for.
    """

    def __init__(
        self,
        graph: tf.Graph,
        names: Set[str],
        *,
        zeros: Collection[str] = (),
        rewritten: Mapping[str, Callable[[GraphNodes, Any], None]]
        | None = None,
        waits: Mapping[str, str] | None = None,
    ):
        waits, rewritten = waits or {}, rewritten or {}
        definition = graph.as_graph_def()
        self._part = tf.compat.v1.GraphDef()
        self._part.versions.CopyFrom(definition.versions)
        self._part.library.CopyFrom(definition.library)
        for node in definition.node:
            if node.name in names and node.op != "Placeholder":
                copy = self._part.node.add()
                copy.CopyFrom(node)
                copy.attr.pop("_class", None)
                inputs = [
                    i
                    for i in node.input
                    if not i.startswith("^")
                    and not (node.op == "AddN" and i in zeros)
                ]
                if node.op == "AddN":
                    copy.attr["N"].i = len(inputs)
                del copy.input[:]
                copy.input.extend(inputs)
                if node.name in rewritten:
                    rewritten[node.name](GraphNodes(self._part), copy)
                if node.name in waits:
                    copy.input.append(f"^{waits[node.name]}")
        self._used = {i for node in self._part.node for i in node.input}

    def compute(
        self, known: Mapping[str, Any], outputs: Iterable[str]
    ) -> list[Any]:
        """Puts the operations into the graph that is traced now.

        Args:
            known: Dict. Names of tensors of the operations' own graph to
                those that take their place: all that they need from outside.
            outputs: Names of tensors of their own graph.

        Returns:
            List of tensors of the graph that is traced now, for `outputs`.
        """
        outputs = list(outputs)
        inside = {
            name: known[name]
            for name in known
            if name.removesuffix(":0") in self._used
        }
        computed = [name for name in outputs if name not in known]
        found = dict(
            zip(
                computed,
                tf.graph_util.import_graph_def(
                    self._part, inside, return_elements=computed, name=""
                ),
                strict=True,
            )
        )
        return [known[n] if n in known else found[n] for n in outputs]
