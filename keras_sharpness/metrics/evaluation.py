"""The loss over all batches, at one point of weight space."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from keras_sharpness.metrics.backend import EvaluationPoint
from keras_sharpness.metrics.batches import Batch
from keras_sharpness.metrics.loss.batch_loss import BatchLoss
from keras_sharpness.metrics.points import MovedWeights, PackedWeights

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
        run = self._point.compile("evaluate", self._batch_loss.evaluate)
        return self._run(run, batches)

    def moved_to(
        self, weights: MovedWeights, batches: Iterable[Batch]
    ) -> dict[str, float]:
        """At other weights, and the state at which the point stands."""
        run = self._point.compile(
            "evaluate moved", self._moved, reads_weights=False
        )
        return self._run(run, batches, weights.start, weights.step)

    def differentiated(
        self,
        differentiate: Callable,
        batches: Iterable[Batch],
        share: Callable[[Batch], Any],
    ) -> tuple[float, np.ndarray]:
        """The loss and a gradient, of few batches without compiling.

        Args:
            differentiate: Function with the arguments of
                `value_and_gradient(…)`.
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
        for batch in batches:
            sizes.append(batch.size)
            parts.append(function(*batch[:3], *arguments))
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

    def _moved(
        self,
        state: Sequence[Any],
        x: Any,
        y: Any,
        sample_weight: Any,
        start: Any,
        step: Any,
    ) -> dict[str, Any]:
        weights = self._packing.unpack(start + step)
        return self._batch_loss.evaluate(weights, state, x, y, sample_weight)
