"""All that a training changes: variables of the model and its optimizer."""

import dataclasses
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
    """

    model: tuple[Any, ...]
    optimizer: tuple[Any, ...]

    @classmethod
    def of(cls, model: keras.Model) -> "TrainingState":
        """The present values; they stay on the device.

        Args:
            model: `keras.Model`, compiled, with a built optimizer.

        Returns:
            A `TrainingState`.
        """
        return cls(
            snapshot(model.variables), snapshot(model.optimizer.variables)
        )

    def restore(self, model: keras.Model) -> None:
        """Puts the values back.

        Args:
            model: `keras.Model`, compiled, with a built optimizer.

        Raises:
            ValueError: If the values belong to another model or optimizer.
        """
        own = [*model.variables, *model.optimizer.variables]
        values = [*self.model, *self.optimizer]
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
        )


def reseed(model: keras.Model, seed: int) -> None:
    """Sets the model's random generators to streams that follow from `seed`.

    Args:
        model: `keras.Model`, built.
        seed: Int. Every generator gets a stream of its own.
    """
    generators = [v for v in model.variables if v.path.endswith(_SEED_STATE)]
    for i, state in enumerate(generators):
        # The same range as that of the seeds Keras draws by itself.
        rng = np.random.default_rng([seed, i])
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
