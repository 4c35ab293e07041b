"""Sums in the shape that XLA is fast with."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.regrouped_sums import (
    Grouping,
    regroup,
    regrouped_sums,
)
from keras_sharpness.metrics.backend.tensorflow.subgraph import Subgraph


def traced(function, shape):
    return tf.function(function, autograph=False).get_concrete_function(
        tf.TensorSpec(shape, tf.float64)
    )


def names_in(concrete):
    return {operation.name for operation in concrete.graph.get_operations()}


def groupings(shape, axes, **options):
    concrete = traced(lambda x: [tf.reduce_sum(x, axes, **options)], shape)
    found = regrouped_sums(names_in(concrete), concrete.outputs)
    return list(found.values())


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((5, 7, 64), -1, Grouping((-1, 8, 8), (1, 2))),
        ((5, 7, 49), [2], Grouping((-1, 7, 7), (1, 2))),
        # The fewest factors, and of those the ones that differ the least.
        ((5, 7, 96), -1, Grouping((-1, 8, 12), (1, 2))),
        ((2, 3, 4096), -1, Grouping((-1, 16, 16, 16), (1, 2, 3))),
        # As of the derivative of what was repeated along an axis.
        ((1, 5, 1, 7, 64, 1), [0, 2, 4], Grouping((-1, 8, 8), (1, 2))),
        ((None, 7, 64), -1, Grouping((-1, 8, 8), (1, 2))),
        ((5, 7, 3), [0, 1], Grouping((-1, 3), (0,))),
        ((5, 7, 4, 3), [1, 0], Grouping((-1, 12), (0,))),
        ((None, None, 3), [0, 1], Grouping((-1, 3), (0,))),
    ],
)
def test_sums_that_gain_get_another_shape(shape, axes, expected):
    assert groupings(shape, axes) == [expected]


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        # Within a window as they are.
        ((5, 7, 32), -1),
        # No product of lengths within a window.
        ((5, 7, 37), -1),
        ((5, 7, 64 * 37), -1),
        # XLA would undo the change, or has one axis already.
        ((35, 64), -1),
        ((35, 64), 0),
        ((5, 7, 64), 0),
        ((5, 7, 64), [0, 2]),
        ((5, 7, 64), [1, 2]),
        ((5, 7, 64), [0, 1, 2]),
        ((5, 7, 64), []),
        # Shapes that cannot be written down.
        ((None, None, 64), -1),
        ((5, 7, None), [0, 1]),
        ((5, 7, None), -1),
        ((5, 7, 0), [0, 1]),
        (None, -1),
    ],
)
def test_others_do_not(shape, axes):
    assert groupings(shape, axes) == []


def test_sums_over_axes_that_are_computed_do_not():
    concrete = traced(
        lambda x: [tf.reduce_sum(x, tf.cast(x[0, 0, :1], tf.int32))], (5, 7, 64)
    )
    assert regrouped_sums(names_in(concrete), concrete.outputs) == {}


def test_without_outputs_there_is_nothing():
    assert regrouped_sums([], []) == {}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [[-1], [0, 1]])
def test_the_sum_is_the_same(axes, keepdims):
    concrete = traced(
        lambda x: [2.0 * tf.reduce_sum(x * x, axes, keepdims=keepdims)],
        (None, 7, 64),
    )
    graph, names = concrete.graph, names_in(concrete)
    found = regrouped_sums(names, concrete.outputs)
    part = Subgraph(
        graph,
        names,
        rewritten={
            name: functools.partial(
                regroup, total=graph.get_operation_by_name(name), to=grouping
            )
            for name, grouping in found.items()
        },
    )

    @tf.function(autograph=False)
    def elsewhere(x):
        known = {concrete.inputs[0].name: x}
        return part.compute(known, [concrete.outputs[0].name])

    x = np.random.default_rng(0).standard_normal((5, 7, 64))
    (total,) = elsewhere(tf.constant(x))
    expected = 2 * np.sum(x * x, axis=tuple(axes), keepdims=keepdims)
    assert total.shape == expected.shape
    # Sums of n positive terms in any order: n units of the last place.
    terms = x.size // expected.size
    np.testing.assert_allclose(
        total, expected, rtol=terms * np.finfo(float).eps
    )
    assert any(
        operation.type == "Sum" and operation.name.endswith("/total")
        for operation in elsewhere.get_concrete_function(
            tf.constant(x)
        ).graph.get_operations()
    )
