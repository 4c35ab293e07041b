"""The matrices M of curvatures Jᵀ M J, in the space of a batch's outputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.metrics.backend import gradient_and_hessian
from keras_sharpness.metrics.loss.batch_loss import Forward
from keras_sharpness.metrics.loss.losses import LossSpecification

# (forward, sample_weight, index of the batch) → function that multiplies
# tensors shaped as the outputs by a matrix in their space, that of the mean
# loss of the batch.
OutputMatrix = Callable[[Forward, Any, Any], Callable[[list[Any]], list[Any]]]
# Losses that take expected targets.
_SOFT = {
    "sparse": keras.losses.CategoricalCrossentropy,
    "categorical": keras.losses.CategoricalCrossentropy,
    "binary": keras.losses.BinaryCrossentropy,
}


def gauss_newton(forward: Forward, sample_weight: Any, index: Any) -> Callable:
    """M = ∇²ℓ by the outputs: the generalised Gauss-Newton matrix.

    Args:
        forward: `Forward`.
        sample_weight: Tensor, or None.
        index: Has no effect.

    Returns:
        Function that multiplies a list of tensors by M.

    Reference:
        Schraudolph 2002, https://doi.org/10.1162/08997660260028683.
    """
    del index
    return _residual(forward, sample_weight)[1]


def empirical_fisher(
    forward: Forward, sample_weight: Any, index: Any
) -> Callable:
    """M = (1/n) Σ sᵢ uᵢ uᵢᵀ, uᵢ = ∂ℓᵢ/∂outputᵢ at the given targets.

    Arguments as `gauss_newton`.
    """
    del index
    slope, _ = _residual(forward, None)
    size = tf.shape(slope[0])[0]

    def multiply(tangents: list[Any]) -> list[Any]:
        inner = sum(
            _per_sample(tf.reduce_sum, u * t)
            for u, t in zip(slope, tangents, strict=True)
        )
        # `slope` is uᵢ / n.
        inner *= tf.cast(size, inner.dtype)
        if sample_weight is not None:
            inner *= tf.reshape(tf.cast(sample_weight, inner.dtype), [size])
        return [_columns(inner, u) * u for u in slope]

    return multiply


def fisher(forward: Forward, sample_weight: Any, index: Any) -> Callable:
    """M = E[u uᵀ], the expectation over targets drawn from the model.

    For the cross-entropies and the squared error E[u uᵀ] = E[∇²ℓ], and ℓ is
    linear in the targets or ∇²ℓ free of them: M is ∇²ℓ at the expected ones.
    Arguments as `gauss_newton`.
    """
    known = forward.specification
    soft = _SOFT.get(known.accuracy_kind)
    if known.from_logits or soft is None:
        return gauss_newton(forward, sample_weight, index)
    _check_all_count(forward, "exact", "Let the model return logits")
    expected = LossSpecification(soft(), known.name, False)

    def loss(outputs: Any, sample_weight: Any) -> Any:
        targets = tf.stop_gradient(outputs)
        return expected.mean(targets, outputs, sample_weight)

    return gauss_newton(
        dataclasses.replace(forward, loss=loss), sample_weight, index
    )


def monte_carlo_fisher(*, num_samples: int, seed: int) -> Callable:
    """M = (1/m) Σ u uᵀ over m targets drawn from the model for every output.

    Draws depend on the seed and the batch alone: M is the same at every call.

    Args:
        num_samples: Int. m.
        seed: Int.

    Returns:
        An `OutputMatrix`.
    """

    def matrix(forward: Forward, sample_weight: Any, index: Any) -> Callable:
        specification = forward.specification
        draw = _SAMPLERS[specification.accuracy_kind or specification.name]
        over_classes = specification.accuracy_kind in ("sparse", "categorical")
        (output,) = keras.tree.flatten(forward.outputs)
        _check_all_count(forward, "Monte Carlo", "Use `method='exact'`")
        # All draws at once, as a batch that holds every sample m times.
        repeated = dataclasses.replace(
            forward,
            outputs=keras.tree.map_structure(
                lambda output: tf.repeat(output, num_samples, axis=0),
                forward.outputs,
            ),
        )
        (draws,) = keras.tree.flatten(repeated.outputs)
        key = tf.stack([tf.cast(index, tf.int64), seed])
        targets = draw(draws, specification, key)
        (slope,), _ = _residual(repeated, None, y=targets)
        # `slope` is u divided by the number of terms of the mean.
        terms = tf.size(draws[..., 0] if over_classes else draws)
        size = tf.shape(output)[0]

        def multiply(tangents: list[Any]) -> list[Any]:
            inner = slope * tf.repeat(tangents[0], num_samples, axis=0)
            if over_classes:
                inner = tf.reduce_sum(inner, axis=-1, keepdims=True)
            product = slope * inner * tf.cast(terms, slope.dtype)
            total = tf.reduce_sum(
                tf.reshape(
                    product,
                    tf.concat(
                        [[size, num_samples], tf.shape(output)[1:]], axis=0
                    ),
                ),
                axis=1,
            )
            if sample_weight is not None:
                weight = tf.cast(sample_weight, total.dtype)
                total *= _columns(tf.reshape(weight, [size]), total)
            return [total]

        return multiply

    return matrix


def _classes(output: Any, specification: LossSpecification, key: Any) -> Any:
    logits = output if specification.from_logits else tf.math.log(output)
    classes = tf.shape(output)[-1]
    drawn = tf.random.stateless_categorical(
        tf.reshape(logits, [-1, classes]), 1, key
    )
    drawn = tf.reshape(drawn, tf.shape(output)[:-1])
    if specification.accuracy_kind == "sparse":
        return drawn
    return tf.one_hot(drawn, classes, dtype=output.dtype)


def _binary(output: Any, specification: LossSpecification, key: Any) -> Any:
    share = tf.sigmoid(output) if specification.from_logits else output
    uniform = tf.random.stateless_uniform(tf.shape(output), key)
    return tf.cast(tf.cast(uniform, share.dtype) < share, output.dtype)


def _gaussian(output: Any, specification: LossSpecification, key: Any) -> Any:
    del specification
    # exp(−(y − f)²) is the normal density of variance 1/2.
    noise = tf.random.stateless_normal(
        tf.shape(output), key, stddev=0.5**0.5, dtype=output.dtype
    )
    return output + noise


def _laplace(output: Any, specification: LossSpecification, key: Any) -> Any:
    del specification
    # The sign alone matters: the slope of |y − f| is ±1.
    uniform = tf.random.stateless_uniform(tf.shape(output), key)
    return output + tf.cast(tf.sign(uniform - 0.5), output.dtype)


def _poisson(output: Any, specification: LossSpecification, key: Any) -> Any:
    del specification
    return tf.random.stateless_poisson(
        tf.shape(output), key, output, dtype=output.dtype
    )


_SAMPLERS = {
    "sparse": _classes,
    "categorical": _classes,
    "binary": _binary,
    "mean_squared_error": _gaussian,
    "mean_absolute_error": _laplace,
    "poisson": _poisson,
}


def check_likelihood(specification: LossSpecification, matrix: str) -> None:
    """Refuses losses for which a Fisher matrix is not known here.

    Args:
        specification: `LossSpecification`.
        matrix: Str. `"fisher"` or `"monte-carlo-fisher"`.

    Raises:
        ValueError: For such a loss.
    """
    known = set(_SAMPLERS)
    if matrix == "fisher":
        known -= {"mean_absolute_error", "poisson"}
    if not known & {specification.accuracy_kind, specification.name}:
        raise ValueError(
            f"The {matrix} matrix is known for the cross-entropies and the "
            "mean squared error, by Monte Carlo also for the mean absolute "
            f"error and the Poisson loss. Received: {specification.name!r}. "
            "Use the Gauss-Newton or the empirical Fisher matrix."
        )


def _check_all_count(forward: Forward, method: str, remedy: str) -> None:
    """Refuses outputs that the loss leaves out: targets are drawn for all."""
    masked = any(
        getattr(output, "_keras_mask", None) is not None
        for output in keras.tree.flatten(forward.predictions)
    )
    if masked or forward.specification.ignored_class is not None:
        raise ValueError(
            f"The {method} Fisher matrix is not defined here for masked "
            f"outputs and ignored classes. {remedy}."
        )


def _residual(
    forward: Forward, sample_weight: Any, **targets: Any
) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    """The gradient r of the mean loss of a batch by its outputs.

    Args:
        forward: `Forward`.
        sample_weight: Tensor, or None.
        **targets: `y=` for other targets than those of the batch.

    Returns:
        r as a list of tensors shaped as the outputs, and the function that
        multiplies such a list by the derivative of r, the loss's Hessian.
    """

    def loss(outputs: list[Any]) -> Any:
        return forward.loss(
            keras.tree.pack_sequence_as(forward.outputs, outputs),
            sample_weight,
            **targets,
        )

    return gradient_and_hessian(loss, keras.tree.flatten(forward.outputs))


def _per_sample(reduce: Callable, tensor: Any) -> Any:
    return reduce(tf.reshape(tensor, [tf.shape(tensor)[0], -1]), axis=1)


def _columns(vector: Any, like: Any) -> Any:
    shape = tf.concat(
        [tf.shape(vector), tf.ones([tf.rank(like) - 1], tf.int32)], axis=0
    )
    return tf.reshape(vector, shape)
