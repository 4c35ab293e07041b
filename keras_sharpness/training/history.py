"""What a training reports: losses and accuracies epoch by epoch."""

import dataclasses
from typing import Any, Literal

import numpy as np
import pandas as pd

from keras_sharpness.result_types import lengths_agree
from keras_sharpness.results import Result

StopReason = Literal["epochs", "loss", "patience", "callback", "diverged"]

_COLUMNS = (
    "epoch",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "learning_rate",
    "seconds",
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainingHistory(Result):
    """A finished training, one entry per epoch.

    Attributes:
        epoch: Array (E,) of int. Epochs, counted from 1.
        loss: Array (E,). Mean of the batches' losses while they were trained
            on, weighted by the batches' sizes; regularisation included.
        accuracy: Array (E,) in [0, 1], or None where y is no class. Measured
            while training, as the loss.
        val_loss: Array (E,), or None without validation data. At the end of
            the epoch, dropout off.
        val_accuracy: Array (E,), or None.
        learning_rate: Array (E,). At the end of the epoch's last update.
        seconds: Array (E,). Wall-clock time; the first one includes the
            compilation.
        logged: Dict of arrays (E,). What callbacks wrote into the logs, and
            where they were asked for: what a method measures besides, such as
            `perturbed_loss`; `train_loss`, measured on the whole
            training set at the last check; `batch_size` of each epoch, and
            what its schedule measured; `base_learning_rate`, before scaling.
        batch_size: Int. Samples per update; of the first epoch, where it grew.
        seed: Int. The seed of the order of samples and of dropout.
        optimizer: Dict. Configuration that the optimizer started with.
        loss_name: Str. The loss function.
        num_samples: Int. Samples N.
        num_updates: Int. Updates made.
        stop_reason: Str. `"epochs"` (all done), `"loss"` (the stop loss was
            reached), `"patience"` (the loss ceased to improve), `"callback"`
            (`model.stop_training`), or `"diverged"`.
        total_seconds: Float. Wall-clock time with everything, summed over
            the sessions of a resumed training.
        stop_loss: Float. The loss at which training was to stop, or None.
        schedule: Dict. The schedule of the batch size, or None.
        method: Dict. How updates were made: class and settings, or None for
            the plain way.
        augmentation: List of dicts, the layers that changed the inputs, or
            None.
        micro_batch_size: Int. Samples in the parts of a batch, or None.
        num_gradients: Int. Gradients of a batch's loss that were taken, by
            the weights or by the inputs; None in files of earlier versions.

    Example:

    ```python
    import keras
    import numpy as np
    import keras_sharpness as ks

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(50, 2))
    result = ks.train(
        model, x, x[:, 0] - x[:, 1], batch_size=10, epochs=3, loss="mse"
    )
    assert result.stop_reason == "epochs" and result.num_updates == 15
    assert list(result.history.epoch) == [1, 2, 3]
    ```
    """

    epoch: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray | None
    val_loss: np.ndarray | None
    val_accuracy: np.ndarray | None
    learning_rate: np.ndarray
    seconds: np.ndarray
    logged: dict[str, np.ndarray]
    batch_size: int
    seed: int
    optimizer: dict[str, Any]
    loss_name: str
    num_samples: int
    num_updates: int
    stop_reason: StopReason
    total_seconds: float
    stop_loss: float | None = None
    schedule: dict[str, Any] | None = None
    method: dict[str, Any] | None = None
    augmentation: list[dict[str, Any]] | None = None
    micro_batch_size: int | None = None
    num_gradients: int | None = None

    @property
    def is_converged(self) -> bool | None:
        """Whether the stop loss was reached; None where there was none."""
        if self.stop_loss is None:
            return None
        return self.stop_reason == "loss"

    def check(self) -> None:
        """Refuses columns of several lengths, and an empty history."""
        super().check()
        columns = {name: getattr(self, name) for name in _COLUMNS}
        lengths_agree(**columns, logged=self.logged)
        arrays = (*columns.values(), *self.logged.values())
        if any(
            v is not None and (v.ndim != 1 or v.dtype.kind not in "biuf")
            for v in arrays
        ):
            raise ValueError("columns that are not of numbers")

    @property
    def history(self) -> pd.DataFrame:
        """The epochs as a DataFrame, as `to_frame` returns it."""
        return self.to_frame()

    def to_frame(self) -> pd.DataFrame:
        """One row per epoch.

        Returns:
            A DataFrame with the columns epoch, loss, accuracy, val_loss,
            val_accuracy, learning_rate and seconds, as far as they were
            measured, and one column per entry of `logged`.
        """
        columns = {name: getattr(self, name) for name in _COLUMNS}
        measured = {k: v for k, v in columns.items() if v is not None}
        return pd.DataFrame({**measured, **self.logged})

    @classmethod
    def from_rows(
        cls, rows: list[dict[str, float]], **settings: Any
    ) -> "TrainingHistory":
        """The history of epochs given as dicts.

        Args:
            rows: List of dicts, one per epoch, with the names of the columns
                and, beyond them, what callbacks logged.
            **settings: The remaining attributes.

        Returns:
            A `TrainingHistory`.
        """
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {
            name: np.array([row.get(name, np.nan) for row in rows], float)
            for name in [*_COLUMNS, *names]
            if name in names or name in ("loss", "learning_rate", "seconds")
        }
        columns["epoch"] = np.arange(1, len(rows) + 1)
        logged = {k: v for k, v in columns.items() if k not in _COLUMNS}
        return cls(
            **{name: columns.get(name) for name in _COLUMNS},
            logged=logged,
            **settings,
        )


def has_ceased_to_improve(
    losses: list[float], *, patience: int | None, min_delta: float
) -> bool:
    """Whether the last `patience` losses brought no improvement.

    Args:
        losses: List of float, one per epoch.
        patience: Int, or None for never.
        min_delta: Float. A loss improves when it lies below the best one by
            more than this.

    Returns:
        Bool.

    Reference:

    - [Keskar et al., 2017](https://arxiv.org/abs/1609.04836), page 4:
      training "until the loss function ceased to improve".
    """
    if patience is None:
        return False
    best, waited = np.inf, 0
    for loss in losses:
        if loss < best - min_delta:
            best, waited = loss, 0
        else:
            waited += 1
    return waited >= patience
