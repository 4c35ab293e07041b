"""What all methods have in common, and the plain one."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from keras_sharpness import arguments

if TYPE_CHECKING:
    from keras_sharpness.training.backend import Data, Measures, Step


class Method:
    """How one update is made of a batch; the base of all.

    Subclasses are frozen dataclasses, whose fields are the settings.

    Attributes:
        added: Str. What `Measures.added` is called in the history, or None
            where the method measures nothing besides.
        draws: Bool. Whether the method draws random numbers of its own, from
            `Step.generator`.
        micro_batch_size: Int. The parts that the method cuts a batch into by
            itself, or None.
    """

    added: ClassVar[str | None] = None
    draws: ClassVar[bool] = False
    micro_batch_size = None

    @property
    def is_plain(self) -> bool:
        """Whether the settings leave nothing but the plain update."""
        return False

    @property
    def updates_per_batch(self) -> int:
        """How many updates the optimizer makes of one batch."""
        return 1

    @property
    def gradients_per_batch(self) -> int:
        """How many gradients are taken of one batch, by weights or inputs."""
        return 1

    def get_config(self) -> dict[str, Any]:
        """The name of the class and the settings, as plain values."""
        return {"class": type(self).__name__, **dataclasses.asdict(self)}

    def check(
        self, *, data: "Data", loss: Any, optimizer: keras.Optimizer
    ) -> None:
        """Refuses what the method does not fit, before any work is done.

        Args:
            data: `Data` of the first few samples.
            loss: Loss as `keras.Model.compile` takes it.
            optimizer: `keras.Optimizer`, not used yet.

        Raises:
            ValueError: If it does not fit.
        """

    def update(self, step: "Step", batch: "Data") -> "Measures":
        """Makes the update, inside of a compiled function.

        Args:
            step: `Step`.
            batch: `Data` of tensors.

        Returns:
            `Measures`, of the weights before the update.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Plain(Method):
    """The optimizer's update by the gradient of the batch's loss."""

    def update(self, step: "Step", batch: "Data") -> "Measures":
        """Makes the update."""
        # As `fit` does it, an embedding's gradient is of the rows it read.
        measures, gradients = step.gradients(batch, dense=False)
        step.apply(gradients)
        return measures


def values_of(variables: Iterable[keras.Variable]) -> list[Any]:
    """The values of variables at this place of the step.

    Args:
        variables: Iterable of `keras.Variable`.

    Returns:
        List of tensors.
    """
    # A conversion to a tensor would hand on the variable itself.
    return [keras.ops.copy(variable) for variable in variables]


def assign(variables: Sequence[keras.Variable], values: Sequence[Any]) -> None:
    """Gives variables values.

    Args:
        variables: Sequence of `keras.Variable`.
        values: Sequence of tensors.
    """
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def check_floating_inputs(method: Method, data: "Data") -> None:
    """Refuses inputs that cannot be moved by small amounts.

    Args:
        method: The `Method`, for the message.
        data: `Data` of arrays.

    Raises:
        ValueError: If an input is of another dtype than floating-point.
    """
    for leaf in keras.tree.flatten(data.x):
        if not np.issubdtype(leaf.dtype, np.floating):
            raise ValueError(
                f"`method={type(method).__name__}(…)` moves inputs by small "
                f"amounts. Received: `x` of dtype {leaf.dtype}. Pass "
                "floating-point numbers, e.g. `x.astype('float32') / 255`."
            )


def check_method(method: Any) -> Method:
    """The method that makes the updates.

    Args:
        method: `Method`, or None.

    Returns:
        It, or `Plain` where it comes to the same.

    Raises:
        ValueError: If it is no method.
    """
    if method is None:
        return Plain()
    arguments.instance(
        "method",
        method,
        Method,
        "a method of training",
        "Pass e.g. `method=ks.training.SharpnessAware(rho=0.05)`.",
    )
    return Plain() if method.is_plain else method
