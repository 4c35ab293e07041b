"""A mean and variance that can be differentiated twice."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)


@contextlib.contextmanager
def exact_moments() -> Iterator[None]:
    """Within the block `tf.nn.moments` has right second derivatives.

    TensorFlow's own takes the variance around c = `stop_gradient(mean)`. That
    changes no first derivative, for `∂/∂c Σ (xᵢ − c)² = 0` at the mean, but it
    drops the term `−(2/n) (Σ dxᵢ)²/n` of the second: Hessian products through
    batch statistics and group normalisation come out wrong, by several percent
    in a small network. The variance `(1/n) Σ (xᵢ − c)² − (mean − c)²` has all
    derivatives; its last term is 0 and as small as the mean, so that values
    and gradients are TensorFlow's own, and cost as much.

    Other threads keep TensorFlow's own.

    Yields:
        Nothing.
    """

    def moments(
        original: Callable,
        x: tf.Tensor,
        axes: Sequence[int],
        shift: None = None,
        keepdims: bool = False,
        name: str | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # Half precision sums are TensorFlow's to take care of.
        if x.dtype in (tf.float16, tf.bfloat16):
            return original(x, axes, shift, keepdims, name)
        mean = tf.reduce_mean(x, axes, keepdims=True)
        fixed = tf.stop_gradient(mean)
        variance = tf.reduce_mean(
            tf.math.squared_difference(x, fixed), axes, keepdims=True
        ) - tf.square(mean - fixed)
        if keepdims:
            return mean, variance
        return tf.squeeze(mean, axes), tf.squeeze(variance, axes)

    with replaced_functions(tf.nn, moments=moments):
        yield
