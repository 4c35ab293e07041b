"""Adversarial training with the fast gradient sign method."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import keras

from keras_sharpness import arguments
from keras_sharpness.training.methods.method import (
    Method,
    assign,
    check_floating_inputs,
    values_of,
)

if TYPE_CHECKING:
    from keras_sharpness.training.backend import Data, Measures, Step


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adversarial(Method):
    """Updates by clean samples and by copies made to be misjudged.

    A sample x becomes `x' = x + ε sign ∇_x J(x)` (FGSM). With the weight a,
    and the first `share` of each batch (whose order is random) as A, the loss
    of a batch of n is

    `(1/n) [ Σ_{i ∉ A} ℓ(xᵢ) + Σ_{i ∈ A} (1 − a) ℓ(xᵢ) + a ℓ(xᵢ') ]`

    plus regularisation. Goodfellow et al. take all samples and a = 1/2;
    `weight=1, share=0.2, clip="batch"` is what ABSA trains on.

    The copies are made in inference mode: dropout is off, and batch
    normalisation uses its moving statistics. These move by the clean batch,
    or with a = 1, where it is not seen, by the batch with the copies in it.
    Clean batch and copies are seen under the same dropout masks.

    The loss and accuracy of the history are those of the clean batch, and
    `adversarial_loss` is that of the batch with the copies in it. With a = 1
    both are of the latter.

    Args:
        epsilon: Float. ε, in units of x. 0 is the plain update.
        weight: Float in [0, 1]. a. 0 is the plain update.
        share: Float in (0, 1]. The samples of a batch that are copied,
            rounded up.
        clip: Tuple (low, high) of floats, between which the copies stay;
            `"batch"` for the smallest and the largest entry of the batch;
            None for no bounds.

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
        method=ks.training.Adversarial(epsilon=0.1),
    )
    assert np.all(result.logged["adversarial_loss"] > result.loss)
    ```

    Reference:

    - [Goodfellow et al., 2015](https://arxiv.org/abs/1412.6572), section 6.
    - [Yao et al., 2018](https://arxiv.org/abs/1810.01021): the share, made
      in inference mode.
    """

    added: ClassVar[str | None] = "adversarial_loss"

    epsilon: float
    weight: float = 0.5
    share: float = 1.0
    clip: tuple[float, float] | Literal["batch"] | None = None

    def __post_init__(self) -> None:
        checked = {
            "epsilon": arguments.real("epsilon", self.epsilon, least=0.0),
            "weight": arguments.real(
                "weight", self.weight, least=0.0, most=1.0
            ),
            "share": arguments.real("share", self.share, above=0.0, most=1.0),
            "clip": _checked_clip(self.clip),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def is_plain(self) -> bool:
        """Whether ε or the weight is 0."""
        return self.epsilon == 0.0 or self.weight == 0.0

    @property
    def gradients_per_batch(self) -> int:
        """By the inputs, by the batch with copies, and by the clean one."""
        return 2 if self.weight == 1.0 else 3

    def check(
        self, *, data: "Data", loss: Any, optimizer: keras.Optimizer
    ) -> None:
        """Refuses inputs that are no floating-point numbers."""
        del loss, optimizer
        check_floating_inputs(self, data)

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
        mixed = batch._replace(x=self._with_copies(step, batch))
        if self.weight == 1.0:
            measures, gradients = step.gradients(mixed)
            return measures._replace(added=measures.loss), gradients
        seeds = values_of(step.seeds)
        measures, clean = step.gradients(batch)
        statistics = values_of(step.statistics)
        assign(step.seeds, seeds)
        adversarial, gradients = step.gradients(mixed)
        assign(step.statistics, statistics)
        return measures._replace(added=adversarial.loss), [
            c if g is None else (1.0 - self.weight) * c + self.weight * g
            for c, g in zip(clean, gradients, strict=True)
        ]

    def _with_copies(self, step: "Step", batch: "Data") -> Any:
        """The inputs of the batch, the first ones turned into copies."""
        ops = keras.ops
        size = math.ceil(self.share * step.size_of(batch))
        first = keras.tree.map_structure(
            lambda t: None if t is None else t[:size], batch
        )

        def copied(x: Any, part: Any, gradient: Any) -> Any:
            moved = part + self.epsilon * ops.sign(gradient)
            if self.clip is not None:
                low, high = (
                    (ops.min(x), ops.max(x))
                    if self.clip == "batch"
                    else self.clip
                )
                moved = ops.clip(moved, low, high)
            return ops.concatenate([moved, x[size:]], axis=0)

        return keras.tree.map_structure(
            copied, batch.x, first.x, step.input_gradient(first)
        )


def _checked_clip(clip: Any) -> Any:
    if clip is None or (isinstance(clip, str) and clip == "batch"):
        return clip
    try:
        low, high = (
            float(v) for v in arguments.array("clip", clip, shape=(2,))
        )
    except ValueError as error:
        raise arguments.refuse(
            "clip", clip, "None, 'batch' or a pair (low, high)"
        ) from error
    if not low < high:
        raise arguments.refuse("clip", clip, "a pair (low, high), low below")
    return (low, high)
