"""The matrices M of curvatures Jᵀ M J, in the space of a batch's outputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_sharpness.metrics.backend import (
    draw_categorical,
    draw_normal,
    draw_poisson,
    draw_uniform,
    gradient_and_hessian,
)
from keras_sharpness.metrics.loss.forward import Forward
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
    size = ops.shape(slope[0])[0]

    def multiply(tangents: list[Any]) -> list[Any]:
        inner = sum(
            _sum_per_sample(u * t) for u, t in zip(slope, tangents, strict=True)
        )
        # `slope` is uᵢ / n.
        inner *= ops.cast(size, inner.dtype)
        if sample_weight is not None:
            inner *= ops.reshape(ops.cast(sample_weight, inner.dtype), [size])
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
        targets = ops.stop_gradient(outputs)
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
                lambda output: ops.repeat(output, num_samples, axis=0),
                forward.outputs,
            ),
        )
        (draws,) = keras.tree.flatten(repeated.outputs)
        key = ops.stack([ops.cast(index, "int64"), seed])
        targets = draw(draws, specification, key)
        (slope,), _ = _residual(repeated, None, y=targets)
        # `slope` is u divided by the number of terms of the mean.
        terms = ops.size(draws[..., 0] if over_classes else draws)
        size = ops.shape(output)[0]

        def multiply(tangents: list[Any]) -> list[Any]:
            inner = slope * ops.repeat(tangents[0], num_samples, axis=0)
            if over_classes:
                inner = ops.sum(inner, axis=-1, keepdims=True)
            product = slope * inner * ops.cast(terms, slope.dtype)
            total = ops.sum(
                ops.reshape(
                    product,
                    (size, num_samples, *ops.shape(output)[1:]),
                ),
                axis=1,
            )
            if sample_weight is not None:
                weight = ops.cast(sample_weight, total.dtype)
                total *= _columns(ops.reshape(weight, [size]), total)
            return [total]

        return multiply

    return matrix


def _classes(output: Any, specification: LossSpecification, key: Any) -> Any:
    logits = output if specification.from_logits else ops.log(output)
    classes = output.shape[-1]
    drawn = draw_categorical(ops.reshape(logits, [-1, classes]), key)
    drawn = ops.reshape(drawn, ops.shape(output)[:-1])
    if specification.accuracy_kind == "sparse":
        return drawn
    return ops.one_hot(drawn, classes, dtype=output.dtype)


def _binary(output: Any, specification: LossSpecification, key: Any) -> Any:
    share = ops.sigmoid(output) if specification.from_logits else output
    uniform = draw_uniform(ops.shape(output), key)
    return ops.cast(ops.cast(uniform, share.dtype) < share, output.dtype)


def _gaussian(output: Any, specification: LossSpecification, key: Any) -> Any:
    del specification
    # exp(−(y − f)²) is the normal density of variance 1/2.
    noise = draw_normal(
        ops.shape(output), key, stddev=0.5**0.5, dtype=output.dtype
    )
    return output + noise


def _laplace(output: Any, specification: LossSpecification, key: Any) -> Any:
    del specification
    # The sign alone matters: the slope of |y − f| is ±1.
    uniform = draw_uniform(ops.shape(output), key)
    return output + ops.cast(ops.sign(uniform - 0.5), output.dtype)


def _poisson(output: Any, specification: LossSpecification, key: Any) -> Any:
    del specification
    return draw_poisson(output, key)


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
        nested = keras.tree.pack_sequence_as(forward.outputs, outputs)
        return forward.loss(nested, sample_weight, **targets)

    return gradient_and_hessian(loss, keras.tree.flatten(forward.outputs))


def _sum_per_sample(tensor: Any) -> Any:
    return ops.sum(ops.reshape(tensor, [ops.shape(tensor)[0], -1]), axis=1)


def _columns(vector: Any, like: Any) -> Any:
    """(n,) as (n, 1, ...), to be multiplied by a tensor (n, ...)."""
    return ops.reshape(vector, (-1, *[1] * (len(like.shape) - 1)))
