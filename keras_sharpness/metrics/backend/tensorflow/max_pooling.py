"""A max-pooling whose derivatives cost little on the CPU."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)


@contextlib.contextmanager
def quick_max_pooling() -> Iterator[None]:
    """Within the block `tf.nn.max_pool` is differentiated by way of indices.

    On the CPU, TensorFlow's gradient of max-pooling is fast next to the pooling
    itself, from which it learns where the maxima are. In a graph of its own it
    searches for them anew, and so does its own gradient always: that takes as
    long as a convolution. Here compiled comparisons find the first maximum of
    every window, and all derivatives follow its index: the first scatters, the
    second gathers. The values are the same up to the order of additions, ties
    included. It pays where the indices are kept for many products.

    Of a ReLU before it, derivatives need the signs of the maxima only: the ReLU
    and its pooling are differentiated as one, and keep what has the size of the
    maxima, a quarter of the input's or less. A product of C1 takes 1.2 times
    the memory without (benchmarks/results/engine_parts_before.md).

    Pooling of images of known size, with channels last; the rest and other
    threads keep TensorFlow's own, and so do machines with a GPU.

    Yields:
        Nothing.
    """

    def max_pool(
        original: Callable,
        input: Any,
        ksize: Any,
        strides: Any,
        padding: Any,
        data_format: str | None = None,
        name: str | None = None,
    ) -> tf.Tensor:
        usual = original(input, ksize, strides, padding, data_format, name)
        if (
            padding not in ("SAME", "VALID")
            or data_format not in (None, "NHWC")
            or tf.executing_eagerly()
        ):
            return usual
        # Arrays and variables, too, may be pooled.
        x = tf.convert_to_tensor(input)
        if x.shape.rank != 4 or None in x.shape[1:].as_list():
            return usual
        return _Pooling(_pair(ksize), _pair(strides), padding)(x, usual)

    if tf.config.list_physical_devices("GPU"):
        yield
        return
    with replaced_functions(tf.nn, max_pool=max_pool):
        yield


class _Pooling:
    """Pools of one size, and their derivatives.

    Args:
        size: Tuple of int. Height and width of a window.
        strides: Tuple of int.
        padding: Str. `"SAME"` or `"VALID"`.
    """

    def __init__(
        self, size: tuple[int, int], strides: tuple[int, int], padding: str
    ):
        self._size = size
        self._strides = strides
        self._padding = padding

    def __call__(self, x: tf.Tensor, maxima: tf.Tensor) -> tf.Tensor:
        """`maxima`, those of `x`, as a function of what `x` follows from."""
        is_rectified = x.op.type == "Relu"

        @tf.custom_gradient
        def pooled(source: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            # Here, and not where the gradient is taken: that is done twice.
            indices = self._indices(x, maxima)
            values, shape = tf.stop_gradient(maxima), tf.shape(source)

            def gradient(slope: tf.Tensor) -> tf.Tensor:
                if is_rectified:
                    slope = tf.raw_ops.ReluGrad(
                        gradients=slope, features=values
                    )
                return self._scatter(shape, indices)(slope)

            return values, gradient

        return pooled(x.op.inputs[0] if is_rectified else x)

    def _scatter(self, shape: tf.Tensor, indices: tf.Tensor) -> Callable:
        @tf.custom_gradient
        def scatter(slope: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def gather(tangent: tf.Tensor) -> tf.Tensor:
                # The derivative of a linear map, and linear itself.
                return gathered(tangent)

            return self._scattered(shape, indices, slope), gather

        @tf.custom_gradient
        def gathered(tangent: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            return tf.gather(tf.reshape(tangent, [-1]), indices), scatter

        return scatter

    def _scattered(
        self, shape: tf.Tensor, indices: tf.Tensor, slope: tf.Tensor
    ) -> tf.Tensor:
        return tf.raw_ops.MaxPoolGradWithArgmax(
            # It gives its shape only, and its memory to the result.
            input=tf.raw_ops.Empty(shape=shape, dtype=slope.dtype),
            grad=slope,
            # It takes no others on the CPU.
            argmax=tf.cast(indices, tf.int64),
            ksize=[1, *self._size, 1],
            strides=[1, *self._strides, 1],
            padding=self._padding,
            include_batch_in_index=True,
        )

    def _indices(self, x: tf.Tensor, maxima: tf.Tensor) -> tf.Tensor:
        """Where each maximum lies in the flat `x`, int32.

        With 64 bits gathering takes twice as long, and what is kept twice the
        memory.
        """
        return _first_maxima(
            tf.stop_gradient(x),
            tf.stop_gradient(maxima),
            self._size,
            self._strides,
            self._before(x.shape, maxima.shape),
        )

    def _before(
        self, inputs: tf.TensorShape, outputs: tf.TensorShape
    ) -> tuple[int, ...]:
        # How much of the first window lies outside of the image.
        return tuple(
            max((outputs[axis] - 1) * stride + size - inputs[axis], 0) // 2
            if self._padding == "SAME"
            else 0
            for axis, size, stride in zip(
                (1, 2), self._size, self._strides, strict=True
            )
        )


@tf.function(autograph=False, jit_compile=True)
def _first_maxima(
    x: tf.Tensor,
    maxima: tf.Tensor,
    size: tuple[int, int],
    strides: tuple[int, int],
    before: tuple[int, ...],
) -> tf.Tensor:
    # Fused by XLA into one pass; one operation after the other it would take
    # as long as TensorFlow's search.
    _, height, width, channels = x.shape.as_list()
    out_height, out_width = maxima.shape.as_list()[1:3]
    after = [
        max((out - 1) * stride + extent - pad - length, 0)
        for out, stride, extent, pad, length in zip(
            (out_height, out_width),
            strides,
            size,
            before,
            (height, width),
            strict=True,
        )
    ]
    padded = tf.pad(
        x,
        [[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]],
        constant_values=x.dtype.min,
    )

    def axis(place: int, length: Any) -> tf.Tensor:
        shape = [1, 1, 1, 1]
        shape[place] = -1
        return tf.reshape(tf.range(length, dtype=tf.int32), shape)

    found = tf.zeros_like(maxima, dtype=tf.int32)
    for i in reversed(range(size[0])):
        for j in reversed(range(size[1])):
            window = padded[
                :,
                i : i + (out_height - 1) * strides[0] + 1 : strides[0],
                j : j + (out_width - 1) * strides[1] + 1 : strides[1],
            ]
            row = axis(1, out_height) * strides[0] + (i - before[0])
            column = axis(2, out_width) * strides[1] + (j - before[1])
            inside = (row >= 0) & (row < height)
            inside &= (column >= 0) & (column < width)
            found = tf.where(
                inside & (window == maxima), row * width + column, found
            )
    image = axis(0, tf.shape(x)[0])
    return (image * (height * width) + found) * channels + axis(3, channels)


def _pair(value: Any) -> tuple[int, int]:
    values = np.ravel(value).tolist()
    if len(values) == 4:
        values = values[1:3]
    return (int(values[0]), int(values[-1]))
