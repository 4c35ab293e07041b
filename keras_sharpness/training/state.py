"""All that a training changes: variables of the model and its optimizer."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from keras_sharpness.training.backend import snapshot

_SEED_STATE = "seed_generator_state"


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """The values of all variables at one moment.

    Attributes:
        model: Tuple of tensors or arrays. Weights, moving statistics and the
            states of the random generators, in `model.variables` order.
        optimizer: Tuple of tensors or arrays, in `optimizer.variables` order.
        others: Tuple of tensors or arrays, of variables beside them: the
            random generators of a method and of augmentation.
    """

    model: tuple[Any, ...]
    optimizer: tuple[Any, ...]
    others: tuple[Any, ...] = ()

    @classmethod
    def of(
        cls, model: keras.Model, others: Sequence[keras.Variable] = ()
    ) -> "TrainingState":
        """The present values; they stay on the device.

        Args:
            model: `keras.Model`, compiled, with a built optimizer.
            others: Variables beside them that the training changes.

        Returns:
            A `TrainingState`.
        """
        return cls(
            snapshot(model.variables),
            snapshot(model.optimizer.variables),
            snapshot(others),
        )

    def restore(
        self, model: keras.Model, others: Sequence[keras.Variable] = ()
    ) -> None:
        """Puts the values back.

        Args:
            model: `keras.Model`, compiled, with a built optimizer.
            others: Variables beside them, as they were given to `of`.

        Raises:
            ValueError: If the values belong to another model or optimizer.
        """
        own = [*model.variables, *model.optimizer.variables, *others]
        values = [*self.model, *self.optimizer, *self.others]
        if [tuple(v.shape) for v in own] != [tuple(v.shape) for v in values]:
            raise ValueError(
                "These values are not those of this model and optimizer: "
                f"{len(values)} values for {len(own)} variables, or other "
                "shapes. Build the model as it was built then."
            )
        for variable, value in zip(own, values, strict=True):
            variable.assign(value)

    def to_numpy(self) -> "TrainingState":
        """The same values as NumPy arrays."""
        return TrainingState(
            tuple(np.asarray(value) for value in self.model),
            tuple(np.asarray(value) for value in self.optimizer),
            tuple(np.asarray(value) for value in self.others),
        )


def reseed(
    variables: Iterable[keras.Variable], seed: int, *streams: int
) -> None:
    """Sets random generators to streams that follow from `seed`.

    Args:
        variables: Variables, the generators' states among them.
        seed: Int. Every generator gets a stream of its own.
        *streams: Int. What tells these generators from others of the seed.
    """
    generators = [v for v in variables if v.path.endswith(_SEED_STATE)]
    for i, state in enumerate(generators):
        # The same range as that of the seeds Keras draws by itself.
        rng = np.random.default_rng([seed, i, *streams])
        state.assign([int(rng.integers(1, 10**9)), 0])


def epoch_order(num_samples: int, *, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch visits the samples.

    Args:
        num_samples: Int. Samples N.
        seed: Int. The training's seed.
        epoch: Int. Epoch, counted from 0.

    Returns:
        Array (N,) of int64, a permutation that depends on the arguments only.
    """
    return np.random.default_rng([seed, epoch]).permutation(num_samples)
