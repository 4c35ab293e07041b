"""Conservative training: each batch's loss with a proximal term."""

import dataclasses
from typing import TYPE_CHECKING, Any

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
class Conservative(Method):
    """Updates that stay near where the batch found the weights.

    Of each batch B, `num_steps` updates of the optimizer lead from the
    weights x_k towards

    `x_{k+1} = argmin f_B(x) + (λ/2) ‖x − x_k‖₂²`.

    The number of updates is `num_steps` times that of the plain training. The
    control for it is `proximal=0`: as many updates on the same batches,
    without the proximal term. Learning-rate schedules of the optimizer count
    its updates.

    All steps on a batch see the same dropout masks, as f_B is one function;
    batch normalisation's moving statistics move with each of them. The loss
    and the accuracy of the history are those at x_k.

    Args:
        num_steps: Int. Updates of the optimizer on each batch. The authors
            take 3, with Adam.
        proximal: Float. λ. The authors take 1e-3.
        restart: Bool. Whether the optimizer forgets what it has gathered
            (momentum, moments, the count of its updates) before each batch,
            so that it solves each problem afresh. The paper does not say.

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
        epochs=2,
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        method=ks.training.Conservative(num_steps=3, proximal=1e-3),
    )
    assert result.num_updates == 2 * 4 * 3
    ```

    Reference:

    - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), appendix E.2.
    """

    num_steps: int = 3
    proximal: float = 1e-3
    restart: bool = False

    def __post_init__(self) -> None:
        checked = {
            "num_steps": arguments.integer(
                "num_steps", self.num_steps, least=1
            ),
            "proximal": arguments.real("proximal", self.proximal, least=0.0),
            "restart": arguments.boolean("restart", self.restart),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def is_plain(self) -> bool:
        """Whether there is one step, whose proximal term has no gradient."""
        return self.num_steps == 1 and not self.restart

    @property
    def updates_per_batch(self) -> int:
        """The number of steps."""
        return self.num_steps

    @property
    def gradients_per_batch(self) -> int:
        """The number of steps."""
        return self.num_steps

    def check(
        self, *, data: "Data", loss: Any, optimizer: keras.Optimizer
    ) -> None:
        """Refuses optimizers that cannot start afresh at every batch."""
        del data, loss
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        settings = optimizer.get_config()
        kept = [
            name
            for name in ("use_ema", "gradient_accumulation_steps")
            if settings.get(name)
        ]
        if isinstance(settings.get("learning_rate"), dict):
            kept.append("a learning-rate schedule")
        if self.restart and kept:
            raise ValueError(
                "`restart=True` makes the optimizer forget its updates before "
                f"each batch. Received: {type(optimizer).__name__} with "
                f"{', '.join(kept)}, which needs them. Leave it out."
            )

    def update(self, step: "Step", batch: "Data") -> "Measures":
        """Makes the updates."""
        begin = values_of(step.variables)
        seeds = values_of(step.seeds)
        if self.restart:
            step.restart_optimizer()
        measures, gradients = step.gradients(batch)
        # At x_k itself the proximal term has no gradient.
        step.apply(gradients)

        def inner_step(number: Any, carried: Any) -> Any:
            del number
            assign(step.seeds, seeds)
            _, gradients = step.gradients(batch)
            factor = step.scaled(self.proximal)
            step.apply(
                [
                    g
                    if g is None
                    else g + keras.ops.cast(factor, g.dtype) * (v - x)
                    for g, v, x in zip(
                        gradients, step.variables, begin, strict=True
                    )
                ]
            )
            return carried

        if self.num_steps > 1:
            # A loop of the graph, which is traced once.
            keras.ops.fori_loop(1, self.num_steps, inner_step, 0)
        return measures
