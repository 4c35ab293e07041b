"""Functions cut in two, against the whole."""

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.two_stages import TwoStages


@pytest.fixture(params=[False, True], ids=["plain", "xla"])
def cut(request):
    scale = tf.Variable(2.0)

    @tf.function(autograph=False)
    def function(vector, data):
        # tanh(data) once, whatever the vector.
        hidden = tf.tanh(tf.matmul(data, data)) * scale
        constant = tf.reduce_sum(hidden)
        return [hidden @ vector, constant, vector + tf.ones([3, 1])]

    concrete = function.get_concrete_function(
        tf.TensorSpec([3, 1]), tf.TensorSpec([3, 3])
    )
    return scale, function, TwoStages(concrete, 1, jit_compile=request.param)


def operations(function, *arguments):
    """The types of the operations of all functions that are called."""
    called = tf.function(function, autograph=False)
    definition = called.get_concrete_function(*arguments).graph.as_graph_def()
    return [n.op for f in definition.library.function for n in f.node_def]


def test_the_stages_make_the_whole(cut):
    _, function, stages = cut
    rng = np.random.default_rng(0)
    data = tf.constant(rng.standard_normal((3, 3)), tf.float32)
    kept = stages.first([data])
    for seed in range(2):
        vector = tf.random.stateless_normal((3, 1), (seed, 0))
        for found, expected in zip(
            stages.second(kept, [[vector]])[0],
            function(vector, data),
            strict=True,
        ):
            # Three products of size 1, rounded in float32.
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_several_at_once_are_each_alone(cut):
    _, function, stages = cut
    rng = np.random.default_rng(0)
    data = tf.constant(rng.standard_normal((3, 3)), tf.float32)
    several = tf.constant(rng.standard_normal((4, 3, 1)), tf.float32)
    found = stages.second(
        stages.first([data]), [[vector] for vector in several]
    )
    for outputs, vector in zip(found, several, strict=True):
        for one, expected in zip(outputs, function(vector, data), strict=True):
            # As above.
            np.testing.assert_allclose(one, expected, rtol=1e-6, atol=1e-6)


def test_each_operation_is_in_one_stage(cut):
    _, _, stages = cut
    kept = stages.first([tf.eye(3)])
    first = operations(stages.first, [tf.eye(3)])
    second = operations(stages.second, kept, [[tf.ones((3, 1))]])
    assert "Tanh" in first
    assert "Tanh" not in second
    assert "AddV2" in second
    assert "AddV2" not in first


def test_what_is_kept_stays_when_variables_move(cut):
    scale, _, stages = cut
    kept = stages.first([tf.eye(3)])
    before = stages.second(kept, [[tf.ones((3, 1))]])[0][0].numpy()
    scale.assign(5.0)
    after = stages.second(kept, [[tf.ones((3, 1))]])[0][0].numpy()
    np.testing.assert_array_equal(before, after)
    moved = stages.second(stages.first([tf.eye(3)]), [[tf.ones((3, 1))]])[0][0]
    np.testing.assert_allclose(moved, 2.5 * before, rtol=1e-6)


def test_bytes_of_what_is_kept(cut):
    # The scaled tanh, (3, 3), and its sum, in float32.
    assert cut[2].num_bytes(batch_size=1) == 4 * (9 + 1)
