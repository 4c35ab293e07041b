"""Stability training: the same outputs for slightly noisy inputs."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from keras_sharpness import arguments, targets
from keras_sharpness.training.methods.method import (
    Method,
    assign,
    check_floating_inputs,
    values_of,
)

if TYPE_CHECKING:
    from keras_sharpness.training.backend import Data, Measures, Step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stability(Method):
    """Updates that keep the predicted classes where inputs are noisy.

    To the loss of a batch is added

    `α (1/n) Σ sᵢ KL(p(xᵢ) ‖ p(xᵢ + σ zᵢ))`,  `z ~ N(0, I)`,

    with the probabilities p that the model predicts and the sample weights s.
    Of a binary cross-entropy each output is a class and its opposite, and the
    divergence is the mean over the outputs. The gradient is taken through
    both predictions, which are made under the same dropout masks; batch
    normalisation's moving statistics move by the clean samples alone.

    The loss and accuracy of the history are those of the clean batch, and
    `stability_loss` is the divergence before it is multiplied by α. The noise
    follows from the seed of the training.

    Args:
        weight: Float. α. 0 is the plain update.
        deviation: Float. σ, in units of x.

    Raises:
        ValueError: If a setting is out of its range.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_sharpness as ks

    x = np.random.default_rng(0).normal(size=(200, 4))
    y = (x.sum(axis=1) > 0).astype(int)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    result = ks.train(
        model,
        x,
        y,
        batch_size=50,
        epochs=3,
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        method=ks.training.Stability(weight=0.01, deviation=0.1),
    )
    assert np.all(result.logged["stability_loss"] > 0)
    ```

    Reference:

    - [Zheng et al., 2016](https://arxiv.org/abs/1604.04326), section 3.
    """

    added: ClassVar[str | None] = "stability_loss"
    draws: ClassVar[bool] = True

    weight: float = 0.01
    deviation: float = 0.04

    def __post_init__(self) -> None:
        checked = {
            "weight": arguments.real("weight", self.weight, least=0.0),
            "deviation": arguments.real("deviation", self.deviation, least=0.0),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def is_plain(self) -> bool:
        """Whether α or σ is 0."""
        return self.weight == 0.0 or self.deviation == 0.0

    @property
    def gradients_per_batch(self) -> int:
        """Two: one pass by clean inputs, one by noisy ones."""
        return 2

    def check(
        self, *, data: "Data", loss: Any, optimizer: keras.Optimizer
    ) -> None:
        """Refuses inputs without noise, and losses without classes."""
        del optimizer
        check_floating_inputs(self, data)
        spec = targets.loss_spec(loss)
        config = getattr(loss, "get_config", dict)()
        if spec.kind not in ("sparse", "categorical", "binary") or (
            config.get("axis", -1) != -1
        ):
            raise ValueError(
                "`method=Stability(…)` compares predicted classes, along the "
                "last axis of one output. Received: the loss "
                f"{spec.name}. Use a cross-entropy of Keras, or another "
                "method."
            )

    def update(self, step: "Step", batch: "Data") -> "Measures":
        """Makes the update."""
        measures, gradients = step.accumulate(
            lambda part: self._gradients(step, part), batch
        )
        step.apply(gradients)
        return measures

    def _gradients(
        self, step: "Step", batch: "Data"
    ) -> tuple["Measures", list[Any]]:
        seeds = values_of(step.seeds)
        divergence = _Divergence(step.loss)

        def penalty(part: "Data", outputs: Any) -> Any:
            statistics = values_of(step.statistics)
            assign(step.seeds, seeds)
            noisy = step.forward(
                keras.tree.map_structure(
                    lambda x: x + self._noise(step, x), part.x
                )
            )
            assign(step.statistics, statistics)
            return self.weight * divergence(outputs, noisy, part.sample_weight)

        measures, gradients = step.gradients(batch, penalty=penalty)
        return measures._replace(added=measures.added / self.weight), gradients

    def _noise(self, step: "Step", x: Any) -> Any:
        return keras.random.normal(
            keras.ops.shape(x),
            stddev=self.deviation,
            dtype=x.dtype,
            seed=step.generator,
        )


class _Divergence(keras.losses.Loss):
    """KL(p ‖ q) of predicted classes, averaged as the loss is."""

    def __init__(self, spec: targets.LossSpec):
        super().__init__(name="divergence")
        self._spec = spec

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The divergences of the samples: (n, …) of (n, …, C)."""
        ops = keras.ops
        if self._spec.kind != "binary":
            log_p, log_q = (self._log(z) for z in (y_true, y_pred))
            return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
        total = 0.0
        for log_p, log_q in zip(
            self._log_both(y_true), self._log_both(y_pred), strict=True
        ):
            total = total + ops.exp(log_p) * (log_p - log_q)
        return ops.mean(total, axis=-1)

    def _log(self, outputs: Any) -> Any:
        """Log-probabilities of the classes along the last axis."""
        if self._spec.from_logits:
            return keras.ops.log_softmax(outputs, axis=-1)
        return _safe_log(outputs)

    def _log_both(self, outputs: Any) -> tuple[Any, Any]:
        """Log-probabilities of a class and of its opposite."""
        if self._spec.from_logits:
            return tuple(keras.ops.log_sigmoid(z) for z in (outputs, -outputs))
        return _safe_log(outputs), _safe_log(1.0 - outputs)


def _safe_log(probabilities: Any) -> Any:
    # As Keras' cross-entropies keep probabilities away from 0.
    epsilon = keras.config.epsilon()
    return keras.ops.log(keras.ops.clip(probabilities, epsilon, 1.0 - epsilon))
