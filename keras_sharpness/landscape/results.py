"""What was measured along lines and on planes, readable without Keras."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from keras_sharpness.landscape.coarse_to_fine import grid_levels, levels
from keras_sharpness.result_types import lengths_agree
from keras_sharpness.results import Result

# What the only objective is called that was passed without a name.
ONLY_NAME = "data"


def unnamed(values: Mapping[str, Any], names: Mapping[str, Any]) -> Any:
    """The value itself where one objective was passed without a name.

    Args:
        values: Dict from a name to what was measured.
        names: Dict whose keys are the names of all objectives.

    Returns:
        `values`, or its only value, or None if that is missing.
    """
    return values.get(ONLY_NAME) if list(names) == [ONLY_NAME] else values


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Evaluated(Result):
    """Loss and accuracy at many points, for one data set or several.

    Attributes:
        losses: Dict from the data set's name to an array, one entry per point;
            NaN where it was not evaluated, a loss that is not finite as it is.
        accuracies: The same in [0, 1]; without those whose targets are not
            classes.
        num_evaluations: Int. Evaluations of all objectives together.
        seconds: Float. What they took.
        objectives: Dict from the data set's name to the objective's settings.
    """

    losses: dict[str, np.ndarray]
    accuracies: dict[str, np.ndarray]
    num_evaluations: int
    seconds: float
    objectives: dict[str, dict[str, Any]]

    def check(self) -> None:
        """Refuses values that are not of the data sets, or of one shape."""
        super().check()
        if not self.losses or not (
            self.accuracies.keys() <= self.losses.keys() == {*self.objectives}
        ):
            raise ValueError(
                f"losses of {', '.join(self.losses)}, accuracies of "
                f"{', '.join(self.accuracies)}, objectives of "
                f"{', '.join(self.objectives)}"
            )
        values = [*self.losses.values(), *self.accuracies.values()]
        shapes = {value.shape for value in values}
        if len(shapes) > 1 or any(v.dtype.kind not in "biuf" for v in values):
            raise ValueError(f"losses and accuracies of shapes {shapes}")

    @property
    def loss(self) -> Any:
        """Array, or a dict of them for several objectives."""
        return unnamed(self.losses, self.objectives)

    @property
    def accuracy(self) -> Any:
        """Array, a dict of them, or None where y is not a class."""
        return unnamed(self.accuracies, self.objectives)

    def _frame(
        self, points: Mapping[str, np.ndarray], where: Any = ...
    ) -> pd.DataFrame:
        """A row per point and data set.

        Args:
            points: The first columns: what tells the points apart.
            where: Index of these points in the arrays.
        """
        frames = []
        for name, loss in self.losses.items():
            accuracy = self.accuracies.get(name, np.full(loss.shape, np.nan))
            values = {"loss": loss[where], "accuracy": accuracy[where]}
            frames.append(pd.DataFrame({**points, "data": name, **values}))
        return pd.concat(frames, ignore_index=True)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Interpolation(Evaluated):
    """Loss and accuracy along a path, for one data set or several.

    Attributes:
        alphas: Array (n,). 0 is the start, 1 the end.
        losses: Dict from the data set's name to an array (n,); a loss that is
            not finite stays as it is.
        accuracies: Dict from the data set's name to an array (n,) in [0, 1];
            without those whose targets are not classes.
        barriers: Dict from the data set's name to a float: the largest excess
            of the loss over the straight line between its two ends, for α in
            [0, 1] (Entezari et al. 2022); 0 where there is none.
        distance: Float. ‖end − start‖₂ of the weights.
        moving_statistics: Str. `"interpolated"` between the ends' own, or
            `"objective"` for those of the objective's model (ends given as
            vectors bring none), or the objective's batch-norm mode.
    """

    alphas: np.ndarray
    barriers: dict[str, float]
    path: str
    distance: float
    moving_statistics: str

    def check(self) -> None:
        """Refuses points and losses of several lengths."""
        super().check()
        lengths_agree(alphas=self.alphas, losses=self.losses)
        if self.barriers.keys() != self.losses.keys():
            raise ValueError(f"barriers of {', '.join(self.barriers)}")

    @property
    def barrier(self) -> Any:
        """Float, or a dict of them for several objectives."""
        return unnamed(self.barriers, self.objectives)

    def to_frame(self) -> pd.DataFrame:
        """One row per α and data set: alpha, data, loss, accuracy."""
        return self._frame({"alpha": self.alphas})


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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DirectionBundle(Evaluated):
    """Loss and accuracy along D directions through one point.

    Attributes:
        alphas: Array (n,), ascending; 0 is the point itself.
        losses: Dict from the data set's name to an array (D, n); NaN where it
            was not evaluated, a loss that is not finite as it is.
        accuracies: The same in [0, 1]; without those whose targets are not
            classes.
        finished: Array (D, n), bool.
        groups: D str: the layer that a direction moves, or `"all layers"`.
        lengths: Array (D,): the Euclidean length of each direction.
        made: Dict. How the directions were found.
        moving_statistics: Str. `"center"`, those of the centre, `"objective"`,
            or the objective's batch-norm mode.
    """

    alphas: np.ndarray
    finished: np.ndarray
    groups: tuple[str, ...]
    lengths: np.ndarray
    made: dict[str, Any]
    moving_statistics: str

    @property
    def is_complete(self) -> bool:
        """Whether every point of every direction is evaluated."""
        return bool(self.finished.all())

    def to_frame(self) -> pd.DataFrame:
        """A row per direction, α and data set, of the points evaluated.

        Columns: direction, group, length, alpha, data, loss, accuracy.
        """
        direction, place = np.nonzero(self.finished)
        return self._frame(
            {
                "direction": direction,
                "group": np.array(self.groups, dtype=object)[direction],
                "length": self.lengths[direction],
                "alpha": self.alphas[place],
            },
            self.finished,
        )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LossSurface(Evaluated):
    """Loss and accuracy on a grid of a plane, complete or in part.

    Attributes:
        alphas: Array (n,), ascending.
        betas: Array (m,), ascending.
        losses: Dict from the data set's name to an array (m, n): one row per
            β, NaN where it is not evaluated yet; a loss that is not finite
            stays as it is.
        accuracies: The same in [0, 1]; without those whose targets are not
            classes.
        finished: Array (m, n), bool.
        plane: Dict. What the plane is: its basis, labels, the names of the
            models on it and their places (`anchors`), the directions' lengths
            and cosine, the explained variance, and how it was made.
        moving_statistics: Str. Which BatchNormalization used at a grid point:
            `"plane"`, the centre's own, or the mixture of three models';
            `"objective"`, those of the objective's model; or the objective's
            batch-norm mode.
        num_evaluations: Int. Evaluations of all objectives together.
        seconds: Float. What they took, also before an interruption.
        fingerprint: Dict. What the values depend on; empty where no file was
            asked for.
    """

    alphas: np.ndarray
    betas: np.ndarray
    finished: np.ndarray
    plane: dict[str, Any]
    moving_statistics: str
    fingerprint: dict[str, Any] = dataclasses.field(default_factory=dict)

    def check(self) -> None:
        """Refuses a grid whose values are of another shape."""
        super().check()
        shape = (*self.betas.shape, *self.alphas.shape)
        shapes = {shape, self.finished.shape}
        shapes |= {value.shape for value in self.losses.values()}
        if len(shapes) > 1 or self.finished.dtype != bool:
            raise ValueError(f"a grid and values of shapes {shapes}")

    @property
    def is_complete(self) -> bool:
        """Whether every point of the grid is evaluated."""
        return bool(self.finished.all())

    def coarse(self) -> Self:
        """The finest complete grid among the points that are evaluated.

        Returns:
            A complete `LossSurface` of fewer points; itself if complete.

        Raises:
            ValueError: If not even the coarsest grid, of 3 × 3, is complete.
        """
        if self.is_complete:
            return self
        stage = grid_levels(*self.finished.shape)
        done = int(stage[~self.finished].min()) - 1
        if done < 0:
            raise ValueError(
                f"Only {int(self.finished.sum())} points of the surface are "
                "evaluated, and no coarse grid is complete. Let `loss_surface` "
                "go on."
            )
        rows = levels(len(self.betas)) <= done
        columns = levels(len(self.alphas)) <= done

        def part(values: np.ndarray) -> np.ndarray:
            return values[np.ix_(rows, columns)]

        return dataclasses.replace(
            self,
            alphas=self.alphas[columns],
            betas=self.betas[rows],
            losses={k: part(v) for k, v in self.losses.items()},
            accuracies={k: part(v) for k, v in self.accuracies.items()},
            finished=part(self.finished),
        )

    def to_frame(self) -> pd.DataFrame:
        """A row per evaluated point and data set: alpha, beta, data, …."""
        beta, alpha = np.meshgrid(self.betas, self.alphas, indexing="ij")
        points = {"alpha": alpha[self.finished], "beta": beta[self.finished]}
        return self._frame(points, self.finished)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ProjectedTrajectory(Result):
    """Where each checkpoint lies on a plane, and what that leaves out.

    Attributes:
        steps: Array (T,). The number of each checkpoint, such as its epoch.
        coordinates: Array (T, 2). α and β of the nearest point of the plane.
        distances: Array (T,). Euclidean distance of the checkpoint from the
            plane.
        losses: Dict from the data set's name to an array (T,): the loss of the
            checkpoint itself.
        plane_losses: The same at the nearest point of the plane, which is what
            a surface shows there.
        accuracies: Dict of arrays (T,) in [0, 1], of the checkpoint itself;
            without those whose targets are not classes.
        explained_variance: Array (2,). Shares of `Σ ‖θₜ − θ̄‖²` along the first
            direction of the plane, and along what is orthogonal to it.
        moving_statistics: Str. `"checkpoint"`, each one's own, `"objective"`,
            or the objective's batch-norm mode.
    """

    steps: np.ndarray
    coordinates: np.ndarray
    distances: np.ndarray
    losses: dict[str, np.ndarray]
    plane_losses: dict[str, np.ndarray]
    accuracies: dict[str, np.ndarray]
    explained_variance: np.ndarray
    moving_statistics: str
    num_evaluations: int
    seconds: float
    objectives: dict[str, dict[str, Any]]

    def to_frame(self) -> pd.DataFrame:
        """A row per checkpoint and data set.

        Columns: step, alpha, beta, distance, data, loss, plane_loss, accuracy.
        """
        nothing = np.full(len(self.steps), np.nan)
        frames = [
            pd.DataFrame(
                {
                    "step": self.steps,
                    "alpha": self.coordinates[:, 0],
                    "beta": self.coordinates[:, 1],
                    "distance": self.distances,
                    "data": name,
                    "loss": loss,
                    "plane_loss": self.plane_losses[name],
                    "accuracy": self.accuracies.get(name, nothing),
                }
            )
            for name, loss in self.losses.items()
        ]
        return pd.concat(frames, ignore_index=True)
