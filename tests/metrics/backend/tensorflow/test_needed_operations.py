"""What tensors are computed from."""

import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.needed_operations import (
    needed_operations,
)


def test_all_that_leads_to_a_tensor_is_needed_and_nothing_else():
    with tf.Graph().as_default():
        a, b = tf.constant(1.0), tf.constant(2.0)
        c = a + b
        d, e = tf.exp(c), tf.sin(c)
        assert needed_operations([d]) == {t.op.name for t in (a, b, c, d)}
        assert needed_operations([d, e], known={c.name}) == {
            d.op.name,
            e.op.name,
        }
        assert needed_operations([d], known={d.name}) == set()
