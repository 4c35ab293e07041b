"""Orders of operations, against all there are and against the eager one."""

import itertools

import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.memory_order import (
    memory_order,
    waiting_for,
)
from keras_sharpness.metrics.backend.tensorflow.tensor_bytes import tensor_bytes


def inside(graph):
    return [op for op in graph.get_operations() if op.type != "Placeholder"]


def peak(order, outputs):
    """Bytes held at the worst moment, counted anew after every operation."""
    kept = {tensor.name for tensor in outputs}
    worst = 0
    for done in range(1, len(order) + 1):
        wanted = kept | {t.name for op in order[done:] for t in op.inputs}
        wanted |= {t.name for t in order[done - 1].inputs}
        wanted |= {t.name for t in order[done - 1].outputs}
        computed = {t.name: t for op in order[:done] for t in op.outputs}
        held = sum(tensor_bytes(t) for n, t in computed.items() if n in wanted)
        worst = max(worst, held)
    return worst


def possible_orders(operations):
    for order in itertools.permutations(operations):
        done = set()
        for operation in order:
            if any(t.op not in done for t in operation.inputs if t.op in order):
                break
            done.add(operation)
        else:
            yield list(order)


def two_branches(graph):
    """A small result of a large tensor, twice: one after the other is best."""
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [10])
        sums = []
        for _ in range(2):
            sums.append(tf.reduce_sum(tf.tile(x, [100])))
        return [sums[0] + sums[1]]


def of_a_product(graph, num_layers=3):
    """As a Hessian product: what is kept times the vector, added to a chain
    that goes forward and then back, and a small result of every layer."""
    with graph.as_default():
        vectors = [
            tf.compat.v1.placeholder(tf.float32, [4, 4])
            for _ in range(num_layers)
        ]
        kept = [
            tf.compat.v1.placeholder(tf.float32, [1000, 4])
            for _ in range(num_layers)
        ]
        tangent = tf.matmul(kept[0], vectors[0])
        tangents = [tangent]
        for x, v in zip(kept[1:], vectors[1:], strict=True):
            tangent = tf.tanh(tangent) + tf.matmul(x, v)
            tangents.append(tangent)
        outputs = []
        back = tangent
        for x, v, u in zip(
            kept[::-1], vectors[::-1], tangents[::-1], strict=True
        ):
            outputs.append(tf.matmul(u, x, transpose_a=True))
            back = tf.tanh(back) + tf.matmul(x, v, transpose_b=True)
            outputs.append(tf.matmul(x, back, transpose_a=True))
        return outputs


@pytest.mark.parametrize("make", [two_branches, of_a_product])
def test_an_order_is_possible_and_complete(make):
    graph = tf.Graph()
    outputs = make(graph)
    operations = inside(graph)
    order = memory_order([op.name for op in operations], outputs)
    assert {op.name for op in order} == {op.name for op in operations}
    done = set()
    for operation in order:
        before = {t.op.name for t in operation.inputs}
        assert before <= done | {
            op.name for op in graph.get_operations() if op.type == "Placeholder"
        }
        done.add(operation.name)


def test_of_all_orders_of_a_small_graph_none_takes_less():
    graph = tf.Graph()
    outputs = two_branches(graph)
    operations = inside(graph)
    order = memory_order([op.name for op in operations], outputs)
    peaks = [peak(o, outputs) for o in possible_orders(operations)]
    # Tensors of a few numbers do not count: there are seven, of 4 bytes.
    assert peak(order, outputs) <= min(peaks) + 7 * 4
    assert max(peaks) > 1.9 * min(peaks)


def test_what_a_product_holds_does_not_grow_with_its_layers():
    peaks = []
    for num_layers in (4, 12):
        graph = tf.Graph()
        outputs = of_a_product(graph, num_layers)
        order = memory_order([op.name for op in inside(graph)], outputs)
        peaks.append(peak(order, outputs))
        # As it would be if all ran that can.
        eager = sorted(
            inside(graph),
            key=lambda op: any(t.op in inside(graph) for t in op.inputs),
        )
        assert peak(order, outputs) < peak(eager, outputs) / 2
    # The results of the layers, of 4 x 4, stay; 1000 x 4 is one activation.
    small = 8 * 2 * 16 * 4
    assert peaks[1] <= peaks[0] + small


def test_operations_others_compute_are_left_out():
    graph = tf.Graph()
    outputs = two_branches(graph)
    names = [op.name for op in inside(graph) if op.type != "Tile"]
    order = memory_order(names, outputs)
    assert {op.name for op in order} == set(names) - {
        op.name for op in inside(graph) if "multiples" in op.name
    }


def test_of_nothing():
    assert memory_order([], []) == []
    assert waiting_for([]) == {}


def test_small_operations_wait_for_nothing():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [1000])
        large = x
        for _ in range(6):
            large = tf.tanh(large)
        small = tf.compat.v1.placeholder(tf.float32, [3])
        outputs = [large, tf.exp(tf.exp(small))]
    order = memory_order([op.name for op in inside(graph)], outputs)
    waits = waiting_for(order)
    kinds = {name.split("_")[0] for pair in waits.items() for name in pair}
    assert kinds == {"Tanh"}
