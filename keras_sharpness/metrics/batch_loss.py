"""The loss of one batch at given weights, as it is traced and compiled."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.metrics.batch_norm import BatchNormMode
from keras_sharpness.metrics.batches import Batch, Batches
from keras_sharpness.metrics.folding import foldable_pairs
from keras_sharpness.metrics.losses import (
    LossSpecification,
    accuracy,
    check_batch,
)
from keras_sharpness.metrics.stateless import model_at


class BatchLoss:
    """`(1/n) Σᵢ sᵢ ℓᵢ(w) + Ω(w)` over the n samples of a batch.

    Args:
        model: Built `keras.Model`.
        loss: `LossSpecification`.
        is_compiled: Bool. Whether the loss is the one the model was compiled
            with, so that `model.compute_loss` decides.
        regularization: Bool. Whether Ω is part of it.
        batch_norm: Str. The mode.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: LossSpecification,
        *,
        is_compiled: bool,
        regularization: bool,
        batch_norm: BatchNormMode,
    ):
        self._model = model
        self._loss = loss
        self._is_compiled = is_compiled
        self._regularization = regularization
        self._batch_norm = batch_norm
        self._pairs = foldable_pairs(model)

    def value(
        self,
        weights: Sequence[Any],
        state: Sequence[Any],
        x: Any,
        y: Any,
        sample_weight: Any,
    ) -> Any:
        """The loss, a scalar tensor.

        Args:
            weights: Tensors for `model.trainable_variables`.
            state: Tensors for `model.non_trainable_variables`.
            x: Inputs, nested tensors.
            y: Targets, nested tensors, or None.
            sample_weight: Tensor, or None.

        Returns:
            Scalar tensor.
        """
        return self._predict(weights, state, x, y, sample_weight)[0]

    def evaluate(
        self,
        weights: Sequence[Any],
        state: Sequence[Any],
        x: Any,
        y: Any,
        sample_weight: Any,
    ) -> dict[str, Any]:
        """The loss and, where y is a class, the accuracy. As `value`."""
        loss, y_pred = self._predict(weights, state, x, y, sample_weight)
        if self._loss.accuracy_kind is None:
            return {"loss": loss}
        return {"loss": loss, "accuracy": accuracy(self._loss, y, y_pred)}

    def check(self, batches: Batches) -> int:
        """Refuses data that do not fit model and loss.

        Args:
            batches: The data.

        Returns:
            Int. N, the number of samples.

        Raises:
            ValueError: If they do not fit.
        """
        num_samples = 0
        for batch in batches:
            if num_samples == 0:
                output = self._first_output(batch)
            check_batch(self._loss, batch, output)
            num_samples += batch.size
        return num_samples

    def _predict(self, weights, state, x, y, sample_weight):
        model = self._model
        with model_at(
            model,
            weights,
            state,
            use_batch_statistics=self._batch_norm == "batch",
            fold=self._pairs,
        ):
            y_pred = model(x, training=False)
            penalty = sum(model.losses, start=0.0)
            if self._is_compiled:
                loss = model.compute_loss(
                    x, y, y_pred, sample_weight, training=False
                )
                if not self._regularization:
                    loss = loss - penalty
            else:
                loss = self._loss.mean(y, y_pred, sample_weight)
                if self._regularization:
                    loss = loss + penalty
        return loss, y_pred

    def _first_output(self, batch: Batch) -> Any:
        model = self._model
        sample = keras.tree.map_structure(lambda tensor: tensor[:1], batch.x)
        weights, state = (
            [keras.ops.convert_to_tensor(v) for v in variables]
            for variables in (
                model.trainable_variables,
                model.non_trainable_variables,
            )
        )
        try:
            with model_at(model, weights, state):
                return model(sample, training=False)
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            shapes = keras.tree.map_structure(lambda t: tuple(t.shape), batch.x)
            expected = getattr(model, "input_shape", "other shapes")
            raise ValueError(
                f"The data do not fit model {model.name!r}: it expects "
                f"{expected}, a batch of `x` has {shapes}. Reshape `x`."
            ) from error
