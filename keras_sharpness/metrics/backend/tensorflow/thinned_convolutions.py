"""Pointwise convolutions with strides that leave out what they never read."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)


@contextlib.contextmanager
def thinned_convolutions() -> Iterator[None]:
    """Within the block pointwise convolutions see the pixels they read only.

    A convolution of one pixel with strides s, as in the shortcuts of residual
    networks, reads one pixel of s². TensorFlow passes over all of them with
    each of its derivatives, the one by the input filling the rest with zeros:
    for a small residual network two such convolutions, 2 % of all
    multiplications, took 8 % of a Hessian product. Here the pixels are taken
    first, and convolved without strides: derivatives add up where they are
    few, and zeros are filled in once.

    Values differ in the last digits at most. Images of known size, with
    channels last; the rest and other threads keep TensorFlow's own, and so do
    machines with a GPU.

    Yields:
        Nothing.
    """

    def convolution(
        original: Callable,
        input: Any,
        filters: Any,
        strides: Any = None,
        padding: Any = "VALID",
        data_format: str | None = None,
        dilations: Any = None,
        name: str | None = None,
    ) -> tf.Tensor:
        steps, shape, kernel = _pair(strides), _shape(input), _shape(filters)
        thinnable = (
            data_format in (None, "NHWC")
            and padding in ("SAME", "VALID")
            and _pair(dilations) == (1, 1)
            and steps is not None
            and max(steps) > 1
            and not tf.executing_eagerly()
            and shape.rank == kernel.rank == 4
            and kernel[:2] == (1, 1)
            and None not in shape[1:].as_list()
        )
        if thinnable:
            input, strides = _Pixels(shape, steps).take(input), None
        return original(
            input, filters, strides, padding, data_format, dilations, name
        )

    if tf.config.list_physical_devices("GPU"):
        yield
        return
    with replaced_functions(tf.nn, convolution=convolution):
        yield


class _Pixels:
    """Every s-th pixel of images, as a linear map with its transpose.

    Args:
        shape: `tf.TensorShape` of the images, (n, height, width, channels).
        steps: Tuple of int, s along height and width.
    """

    def __init__(self, shape: tf.TensorShape, steps: tuple[int, int]):
        self._sides = shape.as_list()[1:3]
        self._channels = shape[3]
        self._steps = steps

        @tf.custom_gradient
        def take(images: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            # Windows of one pixel: a copy, and faster than a strided slice.
            pixels = tf.nn.avg_pool2d(images, 1, steps, "VALID")
            return pixels, lambda slope: put(slope)

        @tf.custom_gradient
        def put(pixels: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            return self._among_zeros(pixels), lambda slope: take(slope)

        self.take = take

    def _among_zeros(self, pixels: tf.Tensor) -> tf.Tensor:
        rows, columns = pixels.shape[1:3]
        down, right = self._steps
        # A row of pixels is continued by zeros in its row and by rows of zeros:
        # in this shape a pass over long pieces of memory.
        images = tf.pad(
            tf.reshape(pixels, [-1, 1, columns, self._channels]),
            [[0, 0], [0, down - 1], [0, 0], [0, (right - 1) * self._channels]],
        )
        images = tf.reshape(
            images, [-1, rows * down, columns * right, self._channels]
        )
        if images.shape[1:3].as_list() == self._sides:
            return images
        # The steps do not divide the sides.
        height, width = self._sides
        return images[:, :height, :width]


def _pair(value: Any) -> tuple[int, int] | None:
    """Along height and width; None where more is given."""
    if value is None:
        return (1, 1)
    values = np.ravel(value).tolist()
    return (values[0], values[-1]) if len(values) in (1, 2) else None


def _shape(tensor: Any) -> tf.TensorShape:
    """That of arrays and variables, too, which layers hand over."""
    return tf.TensorShape(getattr(tensor, "shape", None))
