"""The loss over all batches, in few calls of a compiled function."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_sharpness.metrics.backend.tensorflow.evaluation_point import (
    EvaluationPoint,
)
from keras_sharpness.metrics.backend.tensorflow.packed_weights import (
    MovedWeights,
    PackedWeights,
)
from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.loss.batch_loss import BatchLoss

# A call costs the host some tenths of a millisecond: of a small network as much
# as a batch. With more of them compiling takes longer than they save.
_BATCHES_PER_CALL = 2
# InceptionV3 takes 0.25 s for one, to compile its loss a second.
_FEW_BATCHES = 8


class Evaluation:
    """The loss and, where y is a class, the accuracy over batches.

    Args:
        batch_loss: `BatchLoss`.
        point: `EvaluationPoint`, where it is evaluated.
        packing: `PackedWeights` of the model.
    """

    def __init__(
        self,
        batch_loss: BatchLoss,
        point: EvaluationPoint,
        packing: PackedWeights,
    ):
        self._batch_loss = batch_loss
        self._point = point
        self._packing = packing

    def here(self, batches: Iterable[Batch]) -> dict[str, float]:
        """At the weights and the state at which the point stands."""
        run = self._point.compile("evaluate", self._of_batches)
        return self._run(run, batches)

    def moved_to(
        self, weights: MovedWeights, batches: Iterable[Batch]
    ) -> dict[str, float]:
        """At other weights, and the state at which the point stands."""
        run = self._point.compile(
            "evaluate moved", self._of_batches_moved, reads_weights=False
        )
        return self._run(run, batches, weights.start, weights.step)

    def differentiated(
        self,
        differentiate: Callable,
        batches: Iterable[Batch],
        share: Callable[[Batch], tf.Tensor],
    ) -> tuple[float, np.ndarray]:
        """The loss and a gradient, of few batches without compiling.

        Args:
            differentiate: Function with the arguments of
                `Derivatives.gradient`.
            batches: Iterable of `Batch`.
            share: Callable. What a batch's part of the mean is multiplied by.

        Returns:
            Float, and array.
        """
        loss, size, gradient = 0.0, 0, np.zeros(())
        for index, batch in enumerate(batches):
            run = (
                functools.partial(self._point.call, differentiate)
                if index < _FEW_BATCHES
                else self._point.compile("few derivatives", differentiate)
            )
            mean, parts = run(*batch[:3], share(batch))
            gradient = gradient + np.concatenate(
                [np.ravel(part).astype(np.float64) for part in parts]
            )
            loss += batch.size * float(mean)
            size += batch.size
        return loss / size, gradient

    def _run(
        self, function: Any, batches: Iterable[Batch], *arguments: Any
    ) -> dict[str, float]:
        sizes: list[int] = []
        parts: list[dict[str, Any]] = []
        # Read only after the last batch is under way: reading waits.
        for group in _groups(batches):
            sizes += [batch.size for batch in group]
            parts += function([batch[:3] for batch in group], *arguments)
        # What is masked is no prediction: batches differ in how many they hold.
        counts = [float(part.pop("counted", 0.0)) for part in parts]
        weights = {"loss": sizes, "accuracy": counts}
        return {
            name: sum(
                weight * float(part[name])
                for weight, part in zip(weights[name], parts, strict=True)
            )
            / (sum(weights[name]) or float("nan"))
            for name in parts[0]
        }

    def _of_batches(
        self,
        weights: Sequence[Any],
        state: Sequence[Any],
        batches: Sequence[tuple],
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for batch in batches:
            # One after the other: the memory is meant for one batch's
            # activations.
            before = list(found[-1].values()) if found else []
            with tf.control_dependencies(before):
                found.append(self._batch_loss.evaluate(weights, state, *batch))
        return found

    def _of_batches_moved(
        self, state: Sequence[Any], batches: Sequence[tuple], start, step
    ) -> list[dict[str, Any]]:
        return self._of_batches(
            self._packing.unpack(start + step), state, batches
        )


def _groups(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    left = iter(batches)
    while group := list(itertools.islice(left, _BATCHES_PER_CALL)):
        yield group
