"""Sharpness-aware minimisation: SAM, ASAM and m-SAM."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from keras_sharpness import arguments
from keras_sharpness.training.methods.method import (
    Method,
    assign,
    values_of,
)

if TYPE_CHECKING:
    from keras_sharpness.training.backend import Data, Measures, Step


@dataclasses.dataclass(frozen=True, kw_only=True)
class SharpnessAware(Method):
    """Updates by the gradient at the worst point near the weights.

    With the gradient g of the batch's loss at the weights w, the update is
    made by the gradient at `w + e`,

    `e = ρ g / ‖g‖₂`  (SAM),  `e = ρ T² g / ‖T g‖₂`,  `T = |w| + η`  (ASAM),

    where the norm is over all trainable variables jointly. ASAM's steps are
    as long as the weights are large, so that it does not depend on how a ReLU
    network is scaled from layer to layer.

    T is taken of every trainable variable, biases and the γ and β of batch
    normalisation included: with η = 0 the method then commutes with a
    rescaling of layers, biases or not. (The authors' code has T = 1 for
    biases and for β, and T = |w| for γ.) With η = 0 weights that are exactly
    zero, as biases are in the beginning, are not perturbed.

    Both gradients are taken with the same dropout masks. Batch
    normalisation's moving statistics move in the first pass alone. Weight
    decay of the optimizer is no part of g; a regulariser in the loss is. A
    gradient of zero perturbs nothing.

    The history has the loss at `w + e` as `perturbed_loss`.

    Args:
        rho: Float. ρ, the length of e, or with `adaptive` of `e / T`. 0 is the
            plain update. The authors use 0.05 for SAM and 0.5 for ASAM.
        adaptive: Bool. Whether to take ASAM.
        eta: Float. η, for ASAM.
        micro_batch_size: Int. m-SAM: the batch is cut into parts of so many
            samples, each with an e of its own, and the gradients are averaged
            by the parts' sizes. None takes one e for all of the batch.

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
        batch_size=20,
        epochs=3,
        optimizer=keras.optimizers.SGD(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        method=ks.training.SharpnessAware(rho=0.05),
    )
    assert np.all(result.logged["perturbed_loss"] > result.loss)
    ```

    Reference:

    - [Foret et al., 2021](https://arxiv.org/abs/2010.01412), equation 2 and
      algorithm 1; m-sharpness in section 4.1.
    - [Kwon et al., 2021](https://arxiv.org/abs/2102.11600), equation 8.
    """

    added: ClassVar[str | None] = "perturbed_loss"

    rho: float = 0.05
    adaptive: bool = False
    eta: float = 0.01
    micro_batch_size: int | None = None

    def __post_init__(self) -> None:
        checked = {
            "rho": arguments.real("rho", self.rho, least=0.0),
            "adaptive": arguments.boolean("adaptive", self.adaptive),
            "eta": arguments.real("eta", self.eta, least=0.0),
            "micro_batch_size": arguments.integer(
                "micro_batch_size",
                self.micro_batch_size,
                least=1,
                optional=True,
            ),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def is_plain(self) -> bool:
        """Whether ρ is 0."""
        return self.rho == 0.0

    @property
    def gradients_per_batch(self) -> int:
        """Two: at the weights, and at the perturbed ones."""
        return 2

    def update(self, step: "Step", batch: "Data") -> "Measures":
        """Makes the update."""
        measures, gradients = step.accumulate(
            lambda part: self._gradients(step, part),
            batch,
            # Not in the parts of the training: e is of the whole batch.
            size=self.micro_batch_size or step.size_of(batch),
        )
        step.apply(gradients)
        return measures

    def _gradients(
        self, step: "Step", batch: "Data"
    ) -> tuple["Measures", list[Any]]:
        seeds = values_of(step.seeds)
        measures, gradients = step.gradients(batch)
        statistics = values_of(step.statistics)
        weights = values_of(step.variables)
        perturbations = ascent(
            weights,
            gradients,
            rho=self.rho,
            eta=self.eta if self.adaptive else None,
        )
        assign(step.seeds, seeds)
        assign(
            step.variables,
            [w + e for w, e in zip(weights, perturbations, strict=True)],
        )
        perturbed, gradients = step.gradients(batch)
        assign(step.variables, weights)
        assign(step.statistics, statistics)
        return measures._replace(added=perturbed.loss), gradients


def ascent(
    weights: Sequence[Any],
    gradients: Sequence[Any],
    *,
    rho: float,
    eta: float | None,
) -> list[Any]:
    """The perturbation e of all weights.

    Args:
        weights: Tensors.
        gradients: Tensors of their shapes, times any common factor; None is
            zero.
        rho: Float. ρ.
        eta: Float. η of ASAM, or None for SAM.

    Returns:
        Tensors of the weights' shapes.
    """
    ops = keras.ops
    # T g, and the factor that leads from it to the direction of e.
    scales = [1.0 if eta is None else ops.abs(w) + eta for w in weights]
    scaled = [
        ops.zeros_like(w) if g is None else t * g
        for t, g, w in zip(scales, gradients, weights, strict=True)
    ]
    norm = ops.sqrt(sum(ops.sum(ops.square(s)) for s in scaled))
    factor = ops.divide_no_nan(ops.convert_to_tensor(rho, norm.dtype), norm)
    return [
        ops.cast(factor, s.dtype) * t * s
        for t, s in zip(scales, scaled, strict=True)
    ]
