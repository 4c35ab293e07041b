"""A loss surface that is being computed, and its file."""

import os
from typing import Any

import numpy as np

from keras_sharpness.files import check_file
from keras_sharpness.fingerprint.descriptions import differences, digest_arrays
from keras_sharpness.landscape.plane import Plane
from keras_sharpness.landscape.plane_points import PlanePoints
from keras_sharpness.landscape.results import LossSurface
from keras_sharpness.metrics import Objective
from keras_sharpness.metrics.fingerprint import describe_objective


class SurfaceDraft:
    """The values of a grid as they come in.

    Args:
        objectives: Dict from a name to an `Objective`.
        plane: `Plane`.
        points: `PlanePoints` of the grid.
        path: Path of a file that keeps the values, or None. If it exists, what
            it holds is finished.

    Attributes:
        finished: Array (m, n), bool.

    Raises:
        ValueError: If the file holds something else, or a surface of other
            settings.
        OSError: If no file can be written there.
    """

    def __init__(
        self,
        objectives: dict[str, Objective],
        plane: Plane,
        points: PlanePoints,
        path: str | os.PathLike | None,
    ):
        shape = (len(points.betas), len(points.alphas))
        self._path = None if path is None else check_file(path)
        self._fixed = {
            "alphas": points.alphas,
            "betas": points.betas,
            "plane": plane.description(),
            "moving_statistics": points.moving_statistics,
            "objectives": {name: f.settings for name, f in objectives.items()},
        }
        self.finished = np.zeros(shape, dtype=bool)
        self._values: dict[str, dict[str, np.ndarray]] = {}
        self._fingerprint: dict[str, Any] = {}
        self._seconds = 0.0
        if self._path is not None:
            self._fingerprint = {
                "plane": digest_arrays(
                    [plane.origin, plane.directions, list(plane.states)]
                ),
                "grid": digest_arrays([points.alphas, points.betas]),
                "objectives": {
                    name: describe_objective(function)
                    for name, function in objectives.items()
                },
            }
            if self._path.exists():
                self._resume(LossSurface.load(self._path))
            else:
                # The file takes as much room now as at the end.
                self.write()

    def _resume(self, old: LossSurface) -> None:
        different = differences(old.fingerprint, self._fingerprint)
        if different:
            raise ValueError(
                f"{self._path} holds a surface of other settings: "
                f"{'; '.join(different)}. Pass another `path`, or delete the "
                "file to begin anew."
            )
        self.finished = old.finished.copy()
        self._seconds = old.seconds
        for kind, values in (
            ("loss", old.losses),
            ("accuracy", old.accuracies),
        ):
            for name, value in values.items():
                self._array(name, kind)[...] = value

    def _array(self, name: str, kind: str) -> np.ndarray:
        kinds = self._values.setdefault(name, {})
        if kind not in kinds:
            kinds[kind] = np.full(self.finished.shape, np.nan)
        return kinds[kind]

    @property
    def is_complete(self) -> bool:
        """Whether no point is missing."""
        return bool(self.finished.all())

    def put(
        self,
        place: tuple[int, int],
        values: dict[str, dict[str, float]],
        seconds: float,
    ) -> None:
        """Adds a point.

        Args:
            place: Row and column.
            values: Dict from the objective's name to what `evaluate` returned.
            seconds: Float. What it took.
        """
        for name, found in values.items():
            for kind, value in found.items():
                self._array(name, kind)[place] = value
        self.finished[place] = True
        self._seconds += seconds

    def result(self) -> LossSurface:
        """The surface as it is now, a copy."""
        losses, accuracies = {}, {}
        for name in self._fixed["objectives"]:
            kinds = self._values.get(name, {})
            losses[name] = self._array(name, "loss").copy()
            if "accuracy" in kinds:
                accuracies[name] = kinds["accuracy"].copy()
        return LossSurface(
            **self._fixed,
            losses=losses,
            accuracies=accuracies,
            finished=self.finished.copy(),
            num_evaluations=int(self.finished.sum()) * len(losses),
            seconds=self._seconds,
            fingerprint=self._fingerprint,
        )

    def write(self) -> None:
        """Writes the file; a kill leaves the old one or the new one."""
        self.result().save(self._path)
