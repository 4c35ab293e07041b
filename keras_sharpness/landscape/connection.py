"""A curve between two minima, as `connect_minima` returns it."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from keras_sharpness.landscape.data_names import unnamed
from keras_sharpness.results import Result


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Connection(Result):
    """A curve of low loss between two minima, beside the straight line.

    Attributes:
        curve: Str. `"bezier"` or `"polygon"`.
        ts: Array (n,), from 0 (start) to 1 (end).
        losses: Dict from the data set's name to an array (n,), on the curve.
        line_losses: The same on the straight line.
        accuracies: Dict of arrays (n,) in [0, 1], on the curve; without those
            whose targets are not classes.
        line_accuracies: The same on the straight line.
        barriers: Dict from the data set's name to a float: the largest excess
            of the loss over the line between its two ends, on the curve.
        line_barriers: The same on the straight line.
        bend: Array (P,).
        history: Array (S,). Loss at the t of each step, on the training data.
        history_ts: Array (S,). That t.
        learning_rate: Float. Of the first half of the steps.
        num_steps: Int. Steps asked for; `history` is shorter after a stop.
        distance: Float. ‖end − start‖₂.
        curve_length: Float. Length of the curve.
        num_gradients: Int.
    """

    curve: str
    ts: np.ndarray
    losses: dict[str, np.ndarray]
    line_losses: dict[str, np.ndarray]
    accuracies: dict[str, np.ndarray]
    line_accuracies: dict[str, np.ndarray]
    barriers: dict[str, float]
    line_barriers: dict[str, float]
    bend: np.ndarray
    history: np.ndarray
    history_ts: np.ndarray
    learning_rate: float
    num_steps: int
    distance: float
    curve_length: float
    num_evaluations: int
    num_gradients: int
    seconds: float
    seed: int
    objectives: dict[str, dict[str, Any]]

    @property
    def loss(self) -> Any:
        """Array (n,), or a dict of them for several objectives."""
        return unnamed(self.losses, self.objectives)

    @property
    def barrier(self) -> Any:
        """Float, on the curve, or a dict of them for several objectives."""
        return unnamed(self.barriers, self.objectives)

    @property
    def line_barrier(self) -> Any:
        """Float, on the straight line, or a dict of them."""
        return unnamed(self.line_barriers, self.objectives)

    def to_frame(self) -> pd.DataFrame:
        """A row per path, t and data set: path, t, data, loss, accuracy."""
        nothing = np.full(len(self.ts), np.nan)
        frames = [
            pd.DataFrame(
                {
                    "path": path,
                    "t": self.ts,
                    "data": name,
                    "loss": loss,
                    "accuracy": accuracies.get(name, nothing),
                }
            )
            for path, losses, accuracies in (
                ("line", self.line_losses, self.line_accuracies),
                (self.curve, self.losses, self.accuracies),
            )
            for name, loss in losses.items()
        ]
        return pd.concat(frames, ignore_index=True)
