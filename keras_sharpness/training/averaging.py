"""Averages of the weights along a training, with fresh statistics."""

from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.metrics.batches import DEFAULT_BATCH_SIZE, Batches
from keras_sharpness.metrics.loss.batch_norm import (
    batch_norm_layers,
    check_mode,
)
from keras_sharpness.metrics.loss.recalibration import Recalibration


def update_batch_norm(
    model: keras.Model, x: Any, *, batch_size: int = DEFAULT_BATCH_SIZE
) -> None:
    """Estimates batch normalisation's moving statistics anew at the weights.

    Averaged weights, by `StochasticWeightAveraging` or by an optimizer with
    `use_ema=True`, come with the statistics of other weights: of those the
    training ended with. One pass over the data takes the mean and the
    variance of what enters each layer, as `Objective` does it with
    `batch_norm="recalibrate"`: the mean over all samples, and the variance
    within and between batches. Dropout is off.

    Args:
        model: `keras.Model`, built; its moving statistics are changed, and
            nothing else. One without batch normalisation stays as it is.
        x: Array (N, ...) of inputs, or nest of arrays: the training set.
        batch_size: Int. Samples in a batch, which are normalised together.

    Raises:
        ValueError: If an argument does not fit, or a layer has no statistics
            that could be estimated.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_sharpness as ks

    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.BatchNormalization()]
    )
    x = np.random.default_rng(0).normal(size=(100, 2)).astype("float32")
    ks.training.update_batch_norm(model, x)
    mean = keras.ops.convert_to_numpy(model.layers[0].moving_mean)
    assert np.allclose(mean, x.mean(axis=0), atol=1e-6)
    ```

    Reference:

    - [Izmailov et al., 2018](https://arxiv.org/abs/1803.05407), section 3.2.
    """
    arguments.instance("model", model, keras.Model, "a keras.Model")
    batch_size = arguments.integer("batch_size", batch_size, least=1)
    check_mode("recalibrate", model)
    batches = Batches(x, batch_size=batch_size, dtype=model.variable_dtype)
    if not batch_norm_layers(model):
        return
    state = [variable.value for variable in model.non_trainable_variables]
    weights = [variable.value for variable in model.trainable_variables]
    estimate = Recalibration(
        model,
        batches,
        # One pass: compiling would take as long.
        lambda _, moments: lambda inputs: moments(weights, state, inputs),
    ).estimate
    for variable, value in zip(
        model.non_trainable_variables, estimate(state), strict=True
    ):
        variable.assign(value)


class StochasticWeightAveraging(keras.callbacks.Callback):
    """Ends a training at the mean of the weights of its last epochs.

    From `start_epoch` on, the mean `w̄ ← w̄ + (w − w̄) / n` of the trainable
    weights after each of n epochs is kept in float64; at the end of the
    training the model gets it, with batch normalisation's statistics
    estimated anew. It works in `ks.train`, whose checkpoint keeps the mean,
    and in `fit`. A constant or cyclic learning rate is usual.

    For an exponential mean give the optimizer `use_ema=True`, and call
    `update_batch_norm` after the training.

    Args:
        x: Array (N, ...) of inputs, or nest of arrays: the training set, for
            the statistics. None for a model without batch normalisation.
        start_epoch: Int. The first epoch, counted from 1, whose weights
            count.
        batch_size: Int. Samples in a batch of the pass over x.

    Raises:
        ValueError: If an argument does not fit; and as the training begins
            if the model normalises batches but there is no x.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_sharpness as ks

    x = np.random.default_rng(0).normal(size=(200, 4))
    y = (x.sum(axis=1) > 0).astype(int)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    averaging = ks.training.StochasticWeightAveraging(start_epoch=3)
    ks.train(
        model,
        x,
        y,
        batch_size=20,
        epochs=6,
        optimizer=keras.optimizers.SGD(0.5),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        callbacks=[averaging],
    )
    assert averaging.num_averaged == 4
    ```

    Reference:

    - [Izmailov et al., 2018](https://arxiv.org/abs/1803.05407), algorithm 1.
    """

    def __init__(
        self,
        x: Any = None,
        *,
        start_epoch: int,
        batch_size: int = DEFAULT_BATCH_SIZE,
    ):
        super().__init__()
        self.x = x
        self.start_epoch = arguments.integer(
            "start_epoch", start_epoch, least=1
        )
        self.batch_size = arguments.integer("batch_size", batch_size, least=1)
        self.num_averaged = 0
        self.mean: list[np.ndarray] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts a new mean."""
        del logs
        if batch_norm_layers(self.model):
            check_mode("recalibrate", self.model)
            if self.x is None:
                raise ValueError(
                    f"Model {self.model.name!r} normalises batches, so that "
                    "averaged weights need statistics of their own. Received: "
                    "x=None. Pass `StochasticWeightAveraging(x_train, …)`."
                )
        self.num_averaged, self.mean = 0, []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Takes the weights into the mean."""
        del logs
        if epoch + 1 < self.start_epoch:
            return
        weights = [
            keras.ops.convert_to_numpy(variable).astype("float64")
            for variable in self.model.trainable_variables
        ]
        self.num_averaged += 1
        if not self.mean:
            self.mean = weights
        else:
            self.mean = [
                mean + (w - mean) / self.num_averaged
                for mean, w in zip(self.mean, weights, strict=True)
            ]

    def on_train_end(self, logs: dict | None = None) -> None:
        """Gives the model the mean."""
        del logs
        if not self.mean:
            return
        for variable, mean in zip(
            self.model.trainable_variables, self.mean, strict=True
        ):
            variable.assign(mean)
        if self.x is not None:
            update_batch_norm(self.model, self.x, batch_size=self.batch_size)
