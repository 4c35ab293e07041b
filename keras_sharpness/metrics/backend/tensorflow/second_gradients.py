"""Second derivatives that TensorFlow lacks."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

# The registry has no public way to ask what is in it.
from tensorflow.python.framework import ops

_REGISTRY = ops.gradient_registry._registry


def complete_gradients() -> None:
    """Teaches TensorFlow the gradients of some gradients.

    Those of resizing and of softsign are not registered, so that a Hessian
    product through such a layer ends in a LookupError; that of bilinear
    resizing is registered as zero, so that it is wrong without a word.

    `∂x R(x)ᵀ u` of a resizing R, which is linear, is the product `Rᵀ u`: its
    derivative by u is R. With `s(x) = x / (1 + |x|)`, s' = (1 + |x|)⁻² and
    s'' = −2 sign(x) (1 + |x|)⁻³.

    First derivatives stay as they are. Done once; what somebody else has
    registered stays.
    """
    for name, function in _GRADIENTS.items():
        if name not in _REGISTRY:
            tf.RegisterGradient(name)(function)
    # TensorFlow drops the inputs of an operation whose gradient it registers
    # as zero. So the gradient before it brings its own derivative.
    if _REGISTRY["ResizeBilinearGrad"]["type"] is None:
        _REGISTRY["ResizeBilinear"]["type"] = _bilinear


@contextlib.contextmanager
def without_cudnn(model: keras.Model) -> Iterator[None]:
    """Within the block recurrent layers leave cuDNN alone.

    Its kernels for GPUs have a gradient, which has none. Only layers that
    may choose (`use_cudnn="auto"`) are told to use the loop.

    Args:
        model: A `keras.Model`.

    Yields:
        Nothing.
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if vars(layer).get("use_cudnn") == "auto"
    ]
    try:
        for layer in layers:
            object.__setattr__(layer, "use_cudnn", False)
        yield
    finally:
        for layer in layers:
            object.__setattr__(layer, "use_cudnn", "auto")


def _softsign(op: Any, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    co_tangent, x = op.inputs
    denominator = 1 + tf.abs(x)
    slope = gradient / denominator**2
    return slope, -2 * tf.sign(x) * slope * co_tangent / denominator


def _resizing(forward: Callable) -> Callable:
    def gradient_of_gradient(op: Any, gradient: tf.Tensor) -> tuple:
        # The image gave its size only; so do scales and translations here.
        others = [None] * (len(op.inputs) - 1)
        size = tf.shape(op.inputs[0])[1:3]
        product = forward(op, gradient, size)
        return tf.cast(product, op.inputs[0].dtype), *others

    return gradient_of_gradient


def _bilinear(op: Any, gradient: tf.Tensor) -> tuple[tf.Tensor, None]:
    image = op.inputs[0]
    options = {
        name: op.get_attr(name)
        for name in ("align_corners", "half_pixel_centers")
    }

    @tf.custom_gradient
    def transposed(co_tangent: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        result = tf.raw_ops.ResizeBilinearGrad(
            grads=co_tangent, original_image=image, **options
        )
        size = tf.shape(co_tangent)[1:3]

        def resized(tangent: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.ResizeBilinear(
                images=tangent, size=size, **options
            )

        return result, resized

    return transposed(gradient), None


def _like(raw: Callable) -> Callable:
    """`raw` with the options of the gradient it belongs to."""

    def forward(op: Any, images: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        return raw(
            images=images,
            size=size,
            align_corners=op.get_attr("align_corners"),
            half_pixel_centers=op.get_attr("half_pixel_centers"),
        )

    return forward


def _scale_and_translate(
    op: Any, images: tf.Tensor, size: tf.Tensor
) -> tf.Tensor:
    return tf.raw_ops.ScaleAndTranslate(
        images=images,
        size=size,
        scale=op.inputs[2],
        translation=op.inputs[3],
        kernel_type=op.get_attr("kernel_type"),
        antialias=op.get_attr("antialias"),
    )


_GRADIENTS = {
    "SoftsignGrad": _softsign,
    "ResizeBicubicGrad": _resizing(_like(tf.raw_ops.ResizeBicubic)),
    "ResizeNearestNeighborGrad": _resizing(
        _like(tf.raw_ops.ResizeNearestNeighbor)
    ),
    "ScaleAndTranslateGrad": _resizing(_scale_and_translate),
}
