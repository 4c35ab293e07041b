"""Where graphs are cut, against all ways of cutting them."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.smallest_cut import cut

CHEAP = {"AddV2", "Neg", "Tile"}


def traced(function, *arguments):
    graph = tf.Graph()
    with graph.as_default():
        tensors = [tf.compat.v1.placeholder(*a) for a in arguments]
        outputs = function(*tensors)
    return [tensors[0].name], outputs


def test_what_follows_cheaply_is_repeated():
    def function(a, b):
        costly = tf.exp(b, name="costly")
        rectified = tf.nn.relu(costly)
        return [a * costly + a * rectified + a * -rectified]

    given, outputs = traced(function, ("float32", [8]), ("float32", [8]))
    kept, after = cut(given, outputs)
    assert [tensor.op.name for tensor in kept] == ["costly"]
    assert "Relu" in {
        outputs[0].graph.get_operation_by_name(n).type for n in after
    }


def test_a_tensor_is_kept_where_a_chain_would_save_nothing():
    def function(a, b):
        chain = tf.exp(b)
        for _ in range(5):
            chain = -chain
        return [a * chain]

    given, outputs = traced(function, ("float32", [8]), ("float32", [8]))
    kept, after = cut(given, outputs)
    assert [tensor.op.type for tensor in kept] == ["Neg"]
    assert after == {"Placeholder", outputs[0].op.name}


def test_small_tensors_are_kept_for_large_ones():
    def function(a, b):
        return [a * tf.broadcast_to(tf.exp(b), [1000, 8])]

    given, outputs = traced(function, ("float32", [8]), ("float32", [8]))
    kept, _ = cut(given, outputs)
    assert [tensor.op.type for tensor in kept] == ["Exp"]


@pytest.mark.parametrize(
    ("fused", "expected"), [(False, ["Sin", "Tanh"]), (True, ["Sin"])]
)
def test_functions_of_single_entries_are_repeated_by_xla(fused, expected):
    def function(a, b):
        costly = tf.sin(b)
        return [a * costly + a * tf.tanh(costly)]

    given, outputs = traced(function, ("float32", [8]), ("float32", [8]))
    kept, _ = cut(given, outputs, fused=fused)
    assert sorted(tensor.op.type for tensor in kept) == expected


def test_an_output_that_does_not_depend_is_kept():
    given, outputs = traced(
        lambda a, b: [tf.exp(b), a], ("float32", [8]), ("float32", [8])
    )
    kept, after = cut(given, outputs)
    assert [tensor.op.type for tensor in kept] == ["Exp"]
    assert after == {"Placeholder"}


def random_function(seed):
    """A function whose operations and sizes are drawn."""
    rng = np.random.default_rng(seed)

    def function(a, b):
        tensors = [tf.exp(b), tf.sin(b)]
        for _ in range(7):
            one, other = (tensors[i] for i in rng.choice(len(tensors), 2))
            kind = rng.integers(4)
            if kind == 0:
                tensors.append(tf.exp(one))
            elif kind == 1:
                tensors.append(tf.tile(one, [2]))
            elif kind == 2 and one.shape == other.shape:
                tensors.append(one + other)
            else:
                tensors.append(-one)
        used = rng.choice(len(tensors), 4, replace=False)
        return [a * tensors[place] for place in used]

    return function


def cost_of(kept, wanted):
    """Bytes kept and a fifth of those repeated; None where it is no cut."""
    cost, stack, seen = 0.0, list(wanted), set()
    while stack:
        tensor = stack.pop()
        if tensor.name in seen:
            continue
        seen.add(tensor.name)
        size = tensor.shape[0] * tensor.dtype.size
        if tensor.name in kept:
            cost += size
        elif tensor.op.type in CHEAP:
            cost += size / 5
            stack += tensor.op.inputs
        elif tensor.op.type != "Const":
            return None
    return cost


@pytest.mark.parametrize("seed", range(8))
def test_no_other_cut_is_cheaper(seed):
    given, outputs = traced(
        random_function(seed), ("float32", [1]), ("float32", [64])
    )
    kept, after = cut(given, outputs)
    depends = {given[0].split(":")[0]}
    wanted, inner = [], []
    for operation in outputs[0].graph.get_operations():
        if any(tensor.op.name in depends for tensor in operation.inputs):
            depends.add(operation.name)
            wanted += [t for t in operation.inputs if t.op.name not in depends]
        elif operation.type in CHEAP | {"Exp", "Sin"}:
            inner += operation.outputs
    costs = [
        cost_of(set(names), wanted)
        for size in range(len(inner) + 1)
        for names in itertools.combinations([t.name for t in inner], size)
    ]
    best = min(cost for cost in costs if cost is not None)
    # Constants count as nothing above; each tensor's capacity has one added.
    assert cost_of({t.name for t in kept}, wanted) <= best + len(inner)
    assert not {t.op.name for t in kept} & after
