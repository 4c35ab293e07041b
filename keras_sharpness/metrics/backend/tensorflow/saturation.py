"""Softmax and cross-entropies whose derivatives hold when they saturate."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)


@contextlib.contextmanager
def saturated_derivatives() -> Iterator[None]:
    """Within the block softmax is differentiated without cancellation.

    Of a sample that is classified well, p is near 1 for one class and rounds
    to 1, where the loss is below 6e-8 in float32. TensorFlow's derivatives of
    the cross-entropy, `p − y` and `p ∘ (v − p·v)`, then are differences of
    equal numbers. The same, with u = v − v_w for the class w that has more
    than half of the probability:

    `p_w − y_w = (1 − y_w) − Σ_{j≠w} pⱼ`, `p ∘ (v − p·v) = p ∘ (u − p·u)`,

    in which u_w = 0 exactly, so that all terms are of the size of the result.
    They hold until p itself underflows. Where no class has more than half of
    the probability nothing cancels, and derivatives are TensorFlow's.

    So for `softmax`, `log_softmax` and the cross-entropies from logits; with
    σ for p also for the binary one and for `softplus`, whose second derivative
    TensorFlow takes to be σ (1 − σ).

    Values are TensorFlow's. What is sparse or ragged and other threads keep
    its own. Blocks must not overlap in time unless nested.

    Yields:
        Nothing.
    """
    with (
        replaced_functions(
            tf.nn,
            softmax=_softmax,
            log_softmax=_log_softmax,
            softmax_cross_entropy_with_logits=_cross_entropy,
            sparse_softmax_cross_entropy_with_logits=_sparse_cross_entropy,
            sigmoid_cross_entropy_with_logits=_binary_cross_entropy,
            softplus=_softplus,
        ),
        replaced_functions(
            tf.math,
            softmax=_softmax,
            log_softmax=_log_softmax,
            softplus=_softplus,
        ),
    ):
        yield


def _softmax(
    original: Callable, logits: Any, axis: Any = None, name: str | None = None
) -> Any:
    if not _is_known(logits, axis):
        return original(logits, axis, name)
    logits = tf.convert_to_tensor(logits)
    result = _along(axis, _probabilities, logits)
    if _is_last(axis, logits) and not tf.executing_eagerly():
        # Keras' losses look for them behind the operation, which is hidden.
        result._keras_logits = logits
    return result


def _log_softmax(
    original: Callable, logits: Any, axis: Any = None, name: str | None = None
) -> Any:
    if not _is_known(logits, axis):
        return original(logits, axis, name)
    return _along(axis, _log_probabilities, tf.convert_to_tensor(logits))


def _cross_entropy(
    original: Callable,
    labels: Any,
    logits: Any,
    axis: Any = -1,
    name: str | None = None,
) -> Any:
    if not _is_known(logits, axis):
        return original(labels, logits, axis, name)
    logits = tf.convert_to_tensor(logits)
    dtype, logits = logits.dtype, _at_the_end(_precise(logits), axis)
    labels = tf.cast(tf.convert_to_tensor(labels), logits.dtype)

    @tf.custom_gradient
    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tuple:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            upstream = upstream[..., None]
            return (
                -upstream * _log_probabilities(logits),
                upstream * _residual(labels, logits),
            )

        return original(labels, logits), gradient

    return tf.cast(loss(_at_the_end(labels, axis), logits), dtype)


def _sparse_cross_entropy(
    original: Callable, labels: Any, logits: Any, name: str | None = None
) -> Any:
    if not _is_known(logits, None):
        return original(labels, logits, name)
    logits = tf.convert_to_tensor(logits)
    dtype, logits = logits.dtype, _precise(logits)

    @tf.custom_gradient
    def loss(logits: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            hot = tf.one_hot(labels, tf.shape(logits)[-1], dtype=logits.dtype)
            return upstream[..., None] * _residual(hot, logits)

        return original(labels, logits), gradient

    return tf.cast(loss(logits), dtype)


def _binary_cross_entropy(
    original: Callable,
    labels: Any = None,
    logits: Any = None,
    name: str | None = None,
) -> Any:
    if not _is_known(logits, None):
        return original(labels, logits, name)
    logits = tf.convert_to_tensor(logits)

    @tf.custom_gradient
    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tuple:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            slope = _binary_residual(labels, logits)
            return -upstream * logits, upstream * slope

        return original(labels, logits), gradient

    return loss(tf.convert_to_tensor(labels, logits.dtype), logits)


def _softplus(
    original: Callable, features: Any, name: str | None = None
) -> Any:
    if not _is_known(features, None):
        return original(features, name)

    @tf.custom_gradient
    def softplus(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return original(x), lambda slope: slope * _sigmoid(x)

    return softplus(tf.convert_to_tensor(features))


@tf.custom_gradient
def _probabilities(logits: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """p, the softmax of the last axis."""
    # Once more by this function: TensorFlow would differentiate the operation
    # in its own way.
    return tf.raw_ops.Softmax(logits=logits), lambda slope: _product(
        _probabilities(logits), slope
    )


@tf.custom_gradient
def _log_probabilities(logits: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """The logarithm of p."""
    return tf.raw_ops.LogSoftmax(logits=logits), lambda slope: _pulled(
        _probabilities(logits), slope
    )


@tf.custom_gradient
def _residual(labels: tf.Tensor, logits: tf.Tensor) -> tuple:
    """The difference p − y."""
    p = _probabilities(logits)
    won = _won(p)
    value = tf.where(won, 1 - labels - _sum(p, ~won), p - labels)
    return value, lambda slope: (-slope, _product(p, slope))


@tf.custom_gradient
def _binary_residual(labels: tf.Tensor, logits: tf.Tensor) -> tuple:
    """The difference σ − y."""
    share, rest = tf.sigmoid(logits), tf.sigmoid(-logits)
    value = tf.where(logits > 0, 1 - labels - rest, share - labels)
    return value, lambda slope: (-slope, slope * share * rest)


@tf.custom_gradient
def _sigmoid(x: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    share = tf.sigmoid(x)
    return share, lambda slope: slope * share * tf.sigmoid(-x)


@tf.custom_gradient
def _product(p: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """(diag(p) − p pᵀ) v, what softmax is differentiated by.

    The derivative by p is right up to a constant, to which that of softmax,
    from which p comes, is blind.
    """
    u = _centred(v, p)
    mean = _sum(p * u)

    def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        s = _centred(slope, p)
        return s * (u - mean) - _sum(p * s) * u, _product(p, slope)

    return p * (u - mean), gradient


@tf.custom_gradient
def _pulled(p: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """(I − p 1ᵀ) v, what log-softmax is differentiated by."""
    won, total = _won(p), _sum(v)
    value = tf.where(won, v * _sum(p, ~won) - p * _sum(v, ~won), v - p * total)

    def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return -total * _centred(slope, p), _pushed(p, slope)

    return value, gradient


@tf.custom_gradient
def _pushed(p: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """(I − 1 pᵀ) v, the transpose."""
    u = _centred(v, p)

    def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return -_sum(slope) * u, _pulled(p, slope)

    return u - _sum(p * u), gradient


def _centred(v: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """What v is less its entry for the class with most of the probability."""
    return v - _sum(v, _won(p))


def _won(p: tf.Tensor) -> tf.Tensor:
    return p > 0.5


def _sum(v: tf.Tensor, where: tf.Tensor | None = None) -> tf.Tensor:
    if where is not None:
        v = tf.where(where, v, tf.zeros([], v.dtype))
    return tf.reduce_sum(v, axis=-1, keepdims=True)


def _along(axis: int | None, function: Callable, x: tf.Tensor) -> tf.Tensor:
    """`function`, which is one of the last axis, of another one."""
    result = function(_at_the_end(x, axis))
    if _is_last(axis, x):
        return result
    order = list(range(x.shape.rank - 1))
    order.insert(axis % x.shape.rank, x.shape.rank - 1)
    return tf.transpose(result, order)


def _at_the_end(x: tf.Tensor, axis: int | None) -> tf.Tensor:
    if _is_last(axis, x):
        return x
    order = list(range(x.shape.rank))
    order.append(order.pop(axis))
    return tf.transpose(x, order)


def _is_last(axis: int | None, x: tf.Tensor) -> bool:
    return axis in (None, -1) or axis + 1 == x.shape.rank


def _precise(logits: tf.Tensor) -> tf.Tensor:
    # As TensorFlow does.
    half = logits.dtype in (tf.float16, tf.bfloat16)
    return tf.cast(logits, tf.float32) if half else logits


def _is_known(x: Any, axis: Any) -> bool:
    """Whether `x` is a tensor as a gradient needs, and `axis` one of its."""
    if not isinstance(x, tf.Tensor | tf.Variable | keras.Variable):
        return False
    rank = len(x.shape) if tf.TensorShape(x.shape).rank is not None else None
    return axis in (None, -1) or (
        isinstance(axis, int) and rank is not None and -rank <= axis < rank
    )
