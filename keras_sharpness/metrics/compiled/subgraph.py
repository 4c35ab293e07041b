"""Some operations of a traced graph, to be computed elsewhere."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.compiled.regrouped_sums import Grouping


class Subgraph:
    """Some operations of a traced graph, to be computed elsewhere.

    Control dependencies are dropped: what is asked for is computed, and
    nothing else.

    Args:
        graph: `tf.Graph`, as it is now.
        names: Names of operations of it; placeholders among them do not count.
        zeros: Names of operations whose results sums are to leave out.
        biases: Dict. The name of an `AddN` operation to that of a `Tile`
            operation among its terms, which it is to add without repeating it.
        sums: Dict. The name of a `Sum` operation to the `Grouping` of its
            terms by which it is computed.
        waits: Dict. The name of an operation to that of one it waits for.
    """

    def __init__(
        self,
        graph: tf.Graph,
        names: Set[str],
        *,
        zeros: Collection[str] = (),
        biases: Mapping[str, str] | None = None,
        sums: Mapping[str, Grouping] | None = None,
        waits: Mapping[str, str] | None = None,
    ):
        waits, biases, sums = waits or {}, biases or {}, sums or {}
        definition = graph.as_graph_def()
        self._part = tf.compat.v1.GraphDef()
        self._part.versions.CopyFrom(definition.versions)
        self._part.library.CopyFrom(definition.library)
        for node in definition.node:
            if node.name in names and node.op != "Placeholder":
                copy = self._part.node.add()
                copy.CopyFrom(node)
                left_out = {*zeros, biases.get(node.name)}
                inputs = [
                    i
                    for i in node.input
                    if not i.startswith("^")
                    and not (node.op == "AddN" and i in left_out)
                ]
                if node.op == "AddN":
                    copy.attr["N"].i = len(inputs)
                del copy.input[:]
                copy.input.extend(inputs)
                if node.name in biases:
                    tile = graph.get_operation_by_name(biases[node.name])
                    self._add_bias(copy, tile.inputs[0])
                if node.name in sums:
                    total = graph.get_operation_by_name(node.name).outputs[0]
                    self._regroup(copy, sums[node.name], total.shape)
                if node.name in waits:
                    copy.input.append(f"^{waits[node.name]}")
        self._used = {i for node in self._part.node for i in node.input}

    def _add_bias(self, node: Any, bias: tf.Tensor) -> None:
        """Makes a sum the sum of what it was and a bias."""
        terms = self._part.node.add()
        terms.CopyFrom(node)
        terms.name = f"{node.name}/terms"
        vector = self._part.node.add(name=f"{node.name}/vector")
        self._reshape(vector, _short(bias.name), [-1], node.attr["T"].type)
        node.op = "BiasAdd"
        del node.input[:]
        node.input.extend([terms.name, vector.name])
        del node.attr["N"]
        node.attr["data_format"].s = b"NHWC"

    def _regroup(
        self, node: Any, grouping: Grouping, shape: tf.TensorShape
    ) -> None:
        """Makes a sum one over other axes of the same terms."""
        dtype = node.attr["T"].type
        terms = self._part.node.add(name=f"{node.name}/terms")
        self._reshape(terms, node.input[0], grouping.shape, dtype)
        total = self._part.node.add()
        total.CopyFrom(node)
        total.name = f"{node.name}/total"
        axes = self._constant(f"{node.name}/axes", grouping.axes)
        del total.input[:]
        total.input.extend([terms.name, axes])
        total.attr["keep_dims"].b = False
        total.attr["Tidx"].type = tf.int32.as_datatype_enum
        lengths = [-1 if length is None else length for length in shape]
        self._reshape(node, total.name, lengths, dtype)

    def _reshape(
        self, node: Any, tensor: str, shape: Sequence[int], dtype: int
    ) -> None:
        """Makes a node one that gives a tensor another shape."""
        name = node.name
        node.Clear()
        node.name, node.op = name, "Reshape"
        node.input.extend([tensor, self._constant(f"{name}/shape", shape)])
        node.attr["T"].type = dtype
        node.attr["Tshape"].type = tf.int32.as_datatype_enum

    def _constant(self, name: str, values: Sequence[int]) -> str:
        node = self._part.node.add(name=name, op="Const")
        node.attr["dtype"].type = tf.int32.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(
            tf.make_tensor_proto(np.array(values, np.int32))
        )
        return name

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
            name: known[name] for name in known if _short(name) in self._used
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


def _short(name: str) -> str:
    # As nodes name their inputs: the first output has no number.
    return name.removesuffix(":0")
