"""How large an eigenvalue an optimizer's step is stable for."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness.callbacks._measurement import NotDefinedYet


@dataclasses.dataclass(frozen=True)
class Stability:
    """On a quadratic, steps diverge along eigenvectors above the threshold.

    Attributes:
        threshold: Float. For the largest eigenvalue of P^(-1/2) H P^(-1/2);
            infinite at a learning rate of 0.
        preconditioner: List of arrays of the variables' shapes, the diagonal
            of P; None for the identity.
        learning_rate: Float. η of the next step.
    """

    threshold: float
    preconditioner: list[np.ndarray] | None
    learning_rate: float


def unwrapped(optimizer: Any) -> Any:
    """The optimizer inside a `LossScaleOptimizer`, which sees true gradients.

    Args:
        optimizer: What `model.optimizer` is.

    Returns:
        An optimizer.
    """
    while isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer


def check_optimizer(optimizer: Any) -> None:
    """Refuses optimizers whose limit of stability is not known here.

    Args:
        optimizer: What `model.optimizer` is.

    Raises:
        ValueError: For any other optimizer.
    """
    if _rule(optimizer) is None:
        names = ", ".join(kind.__name__ for kind in _RULES)
        raise ValueError(
            "The limit of stability is known for the updates of "
            f"{names} and AdamW. Received: optimizer "
            f"{type(unwrapped(optimizer)).__name__}. Measure the eigenvalue "
            "alone with HessianEigenvalues."
        )


def stability_of(
    optimizer: Any, variables: Sequence[keras.Variable]
) -> Stability:
    """The limit of stability of the next step.

    Args:
        optimizer: What `model.optimizer` is.
        variables: The trainable variables.

    Returns:
        A `Stability`.

    Raises:
        NotDefinedYet: If the preconditioner does not exist yet.
    """
    # Division by a rate of 0, where schedules begin or end, is infinite then.
    rate = np.float64(_number(unwrapped(optimizer).learning_rate))
    with np.errstate(divide="ignore", over="ignore"):
        return _rule(optimizer)(unwrapped(optimizer), variables, rate)


def _rule(optimizer: Any) -> Callable | None:
    optimizer = unwrapped(optimizer)
    for kind, rule in _RULES.items():
        # A subclass may have another update.
        if isinstance(optimizer, kind) and (
            type(optimizer).update_step is kind.update_step
        ):
            return rule
    return None


def _sgd(
    optimizer: Any, variables: Sequence[keras.Variable], rate: float
) -> Stability:
    del variables
    beta = optimizer.momentum
    threshold = 2.0 * (1.0 + beta) / rate
    if optimizer.nesterov and beta:
        threshold /= 1.0 + 2.0 * beta
    return Stability(threshold, None, rate)


def _adam(
    optimizer: Any, variables: Sequence[keras.Variable], rate: float
) -> Stability:
    num_steps = _updates(optimizer)
    squares = _values(
        optimizer,
        "_velocity_hats" if optimizer.amsgrad else "_velocities",
        variables,
    )
    beta_1, beta_2 = float(optimizer.beta_1), float(optimizer.beta_2)
    # Keras adds ε to √v before the correction, the paper after it.
    correction = (1.0 - beta_1**num_steps) / np.sqrt(1.0 - beta_2**num_steps)
    return Stability(
        2.0 * (1.0 + beta_1) / ((1.0 - beta_1) * rate),
        [correction * (np.sqrt(v) + optimizer.epsilon) for v in squares],
        rate,
    )


def _rmsprop(
    optimizer: Any, variables: Sequence[keras.Variable], rate: float
) -> Stability:
    _updates(optimizer)
    squares = _values(optimizer, "_velocities", variables)
    if optimizer.centered:
        means = _values(optimizer, "_average_gradients", variables)
        # A variance, but for rounding.
        squares = [
            np.maximum(v - mean**2, 0.0)
            for v, mean in zip(squares, means, strict=True)
        ]
    # Keras' momentum adds up steps, like that of SGD and unlike Adam's.
    return Stability(
        2.0 * (1.0 + optimizer.momentum) / rate,
        [np.sqrt(v + optimizer.epsilon) for v in squares],
        rate,
    )


# AdamW updates as Adam does; its decay is not part of the update.
_RULES = {
    keras.optimizers.SGD: _sgd,
    keras.optimizers.Adam: _adam,
    keras.optimizers.RMSprop: _rmsprop,
}


def _updates(optimizer: Any) -> int:
    num_steps = int(_number(optimizer.iterations)) if optimizer.built else 0
    if not num_steps:
        raise NotDefinedYet(
            "the preconditioner is made from gradients, and the optimizer has "
            "taken no step"
        )
    return num_steps


def _values(
    optimizer: Any, name: str, variables: Sequence[keras.Variable]
) -> list[np.ndarray]:
    # The only way to the state that belongs to a variable.
    state = getattr(optimizer, name)
    return [
        _array(state[optimizer._get_variable_index(variable)])
        for variable in variables
    ]


def _array(variable: Any) -> np.ndarray:
    tensor = keras.ops.convert_to_tensor(variable)
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype=np.float64)


def _number(value: Any) -> float:
    return float(_array(value))
