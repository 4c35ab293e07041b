"""The error of a training whose loss is no number any more."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_sharpness.training.history import TrainingHistory


class TrainingDivergedError(FloatingPointError):
    """The loss, or a weight, became NaN or infinite.

    The model holds the weights of the end of the last good epoch.

    Attributes:
        epoch: Int. The epoch it happened in, counted from 1.
        batch: Int. The batch it happened in, counted from 1.
        history: `TrainingHistory` of the epochs before.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_sharpness as ks
    from keras_sharpness.training import TrainingDivergedError

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    x, y = np.ones((8, 3)), np.ones(8)
    try:
        ks.train(
            model, x, y, batch_size=4, epochs=99, optimizer="sgd",
            loss=lambda y, y_pred: 1e9 * (y - y_pred) ** 2,
        )
    except TrainingDivergedError as error:
        assert error.epoch >= 1 and error.history.stop_reason == "diverged"
    ```
    """

    def __init__(
        self,
        message: str,
        *,
        epoch: int = 0,
        batch: int = 0,
        history: "TrainingHistory | None" = None,
    ):
        super().__init__(message)
        self.epoch = epoch
        self.batch = batch
        self.history = history


def diverged_error(
    what: str, *, epoch: int, batch: int, num_batches: int, rate: float
) -> TrainingDivergedError:
    """The error with its message.

    Args:
        what: Str. What happened, e.g. `"The loss became nan"`.
        epoch: Int. Epoch, counted from 1.
        batch: Int. Batch, counted from 1.
        num_batches: Int. Batches of an epoch.
        rate: Float. The learning rate.

    Returns:
        A `TrainingDivergedError`, without a history yet.
    """
    kept = f"of the end of epoch {epoch - 1}" if epoch > 1 else "it began with"
    return TrainingDivergedError(
        f"{what} in epoch {epoch} at batch {batch} of {num_batches} (both "
        f"counted from 1). The model has the weights {kept}. Lower the "
        f"learning rate (it was {rate:g}), clip the gradients (e.g. "
        "`clipnorm=1.0`), or scale the data.",
        epoch=epoch,
        batch=batch,
    )
