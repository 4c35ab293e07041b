"""The learning rate, scaled with the batch size and warmed up."""

from typing import Literal

import keras
import numpy as np

from keras_sharpness import arguments

Scaling = Literal["none", "sqrt", "linear"]
_POWERS = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}


class ScaledRate:
    """Sets the optimizer's learning rate before its updates.

    `η (B / B₀)ᵖ` with p = ½ or 1. During the first W updates the factor
    s = (B / B₀)ᵖ is `1 + (s − 1) u / W` at update u, counted from 0.

    What callbacks do to the rate is kept: it is scaled from there on.

    Args:
        optimizer: `keras.optimizers.Optimizer`.
        scaling: Str, `"sqrt"` or `"linear"`.
        base_batch_size: Int. B₀.
        warmup_updates: Int. W.

    Attributes:
        base: Float. η.

    Reference:
        Goyal et al. 2017, https://arxiv.org/abs/1706.02677, sections 2.1 and
        2.2 (linear); Hoffer et al. 2017, https://arxiv.org/abs/1705.08741
        (square root).
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        *,
        scaling: Scaling,
        base_batch_size: int,
        warmup_updates: int,
    ):
        self._optimizer = optimizer
        self._power = _POWERS[scaling]
        self._base_batch_size = base_batch_size
        self._warmup_updates = warmup_updates
        self._factor = 1.0
        self._last_set = self._read()
        self.base = self._last_set

    def go_on(self, base: float, *, update: int, batch_size: int) -> None:
        """Goes on with an optimizer whose state was restored.

        Args:
            base: Float. η, as it was noted.
            update: Int. The last update's number, counted from 0.
            batch_size: Int. Its B.
        """
        self.base = base
        self._factor = self._factor_at(update, batch_size)
        self._last_set = self._read()

    def before(self, update: int, batch_size: int) -> bool:
        """Sets the rate of an update.

        Args:
            update: Int. Updates done before it.
            batch_size: Int. B.

        Returns:
            Bool. Whether the next update has another rate.
        """
        self.note_changes()
        self._factor = self._factor_at(update, batch_size)
        self._optimizer.learning_rate = np.float32(self.base * self._factor)
        self._last_set = self._read()
        return update < self._warmup_updates

    def note_changes(self) -> None:
        """Takes over a rate that something else has set."""
        present = self._read()
        if present != self._last_set:
            self.base = present / self._factor
            self._last_set = present

    def _factor_at(self, update: int, batch_size: int) -> float:
        factor = (batch_size / self._base_batch_size) ** self._power
        if update < self._warmup_updates:
            factor = 1.0 + (factor - 1.0) * update / self._warmup_updates
        return factor

    def _read(self) -> float:
        rate = self._optimizer.learning_rate
        return float(keras.ops.convert_to_numpy(rate))


def check_scaling(
    optimizer: keras.optimizers.Optimizer,
    *,
    scaling: Scaling,
    base_batch_size: int | None,
    warmup_epochs: int,
) -> None:
    """Refuses a scaling that has nothing to scale.

    Args:
        optimizer: `keras.optimizers.Optimizer`.
        scaling: Str.
        base_batch_size: Int or None.
        warmup_epochs: Int.

    Raises:
        ValueError: If the optimizer follows a schedule of its own, or there
            is no scaling that a base or a warm-up would belong to.
    """
    if scaling == "none":
        given = {
            "base_batch_size": base_batch_size,
            "warmup_epochs": warmup_epochs or None,
        }
        for name, value in given.items():
            if value is not None:
                raise arguments.refuse(
                    name,
                    value,
                    "left out where the learning rate is not scaled",
                    'Pass `learning_rate_scaling="linear"` with it.',
                )
        return
    # Keras keeps a schedule as a serialised dict there, a number else.
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    rate = inner.get_config()["learning_rate"]
    if isinstance(rate, dict):
        raise ValueError(
            "A learning rate that follows a Keras schedule cannot be scaled "
            f"with the batch size. Received: {rate['class_name']}. Pass an "
            "optimizer with a number as its rate, or "
            '`learning_rate_scaling="none"`.'
        )
