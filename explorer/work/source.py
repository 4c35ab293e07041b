"""Where minima come from: a study, the demo, or files that were dropped."""

import dataclasses
import pathlib
import types
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from study import EIGENVALUES, Study

from keras_sharpness.result_types import typed
from keras_sharpness.runs import RunFolder, RunFolderError, StudyFolder
from keras_sharpness.studies.pairs import PATHS
from work.around import Around, Surface, SurfaceWithPath
from work.between import Interpolate
from work.data import DataChoice
from work.measure import Measure
from work.minimum import Minimum
from work.request import Request
from work.spectrum import Spectrum

_NUMBER = {"value": float, "objective": dict}
_NEEDED = {
    "evaluation": {
        "train_loss": float,
        "test_loss": float,
        "train_accuracy": float | None,
        "test_accuracy": float | None,
        "weight_norm": float,
        "objective": dict,
    },
    "sharpness": _NUMBER,
    "eigenvalues": EIGENVALUES,
    "trace": {**_NUMBER, "standard_error": float},
}
_CURVES = ("grid", "density", "lower", "upper")
_DENSITY = {**dict.fromkeys(_CURVES, np.ndarray), "objective": dict}
DEMO = pathlib.Path(__file__).parents[1] / "demo"


@dataclasses.dataclass(frozen=True)
class Source:
    """Minima that can be looked at together.

    Attributes:
        name: Str. As in the address.
        title: Str.
        minima: Tuple of `Minimum`.
        data: `DataChoice` that they were measured on, or a sensible one.
        folder: `StudyFolder`, or None for dropped files.
        study: `Study`, if there is a finished one.
    """

    name: str
    title: str
    minima: tuple[Minimum, ...]
    data: DataChoice = dataclasses.field(default_factory=DataChoice)
    folder: StudyFolder | None = None
    study: Study | None = None

    @property
    def groups(self) -> list[str]:
        """The groups of the minima, in the order of their colours."""
        return list(dict.fromkeys(m.group or m.name for m in self.minima))

    def stored_version(self, request: Request) -> Hashable:
        """Tells a stored result apart from what its file held before.

        A file may be repaired, or measured anew, while pages are looked at.
        """
        run = request.minima[0].run
        paths = []
        if isinstance(request, Interpolate) and self.folder is not None:
            paths.append(self.folder.path / "pairs")
        elif run is not None:
            paths.append(run.path / "measurements")
        return tuple(
            (str(file), *_version(file))
            for folder in paths
            for file in sorted(folder.glob("*.json"))
        )

    def stored(self, request: Request) -> Any:
        """What the study's folder holds of it already, or None.

        Raises:
            RunFolderError: If the file is damaged.
        """
        if self.folder is None or request.data != self.data:
            return None
        if isinstance(request, Interpolate):
            return self._line(request)
        run = request.minima[0].run
        if run is None:
            return None
        # As values: the class of a result may bring in Keras.
        if isinstance(request, Measure):
            name = request.stored_name
            if name in run.measurements():
                needed = _NEEDED[request.quantity]
                return Values(run.read_values(name, needed))
        elif isinstance(request, Spectrum):
            if run.has("spectral_density", request.settings()):
                values = run.read_values("spectral_density", _DENSITY)
                return SpectralDensity(values)
        elif isinstance(request, Around):
            return stored_around(run, request)
        return None

    def _line(self, request: Interpolate) -> Any:
        start, end = (minimum.settings for minimum in request.minima)
        defaults = Interpolate(minima=(), data=request.data, path=request.path)
        if (
            self.study is None
            or request.path not in PATHS
            or request.settings() != defaults.settings()
            or (start.get("batch"), end.get("batch")) != ("small", "large")
            or start.get("seed") != end.get("seed")
        ):
            return None
        return self.study.line(request.path, start["seed"])


def _version(file: pathlib.Path) -> tuple[int, ...]:
    # Also what a copy that keeps times and sizes changes.
    status = file.stat()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size


class Values(types.SimpleNamespace):
    """A stored result whose class was not imported."""

    def __init__(self, values: dict[str, Any]):
        super().__init__(**values)

    def to_dict(self) -> dict[str, Any]:
        """The values, as `Result.to_dict` gives them."""
        from keras_sharpness.results import encode

        return {name: encode(value) for name, value in vars(self).items()}


class SpectralDensity(Values):
    """A stored spectral density, by the name that its chart knows it by."""

    def to_frame(self) -> pd.DataFrame:
        """One row per point of the grid."""
        return pd.DataFrame(
            {
                "eigenvalue": self.grid,
                "density": self.density,
                "lower": self.lower,
                "upper": self.upper,
            }
        )


def stored_around(run: RunFolder, request: Around) -> Any:
    """A surface with its trajectory, or a bundle, that a run holds."""
    name = request.stored_name
    if not run.has(name, request.stored_settings()):
        return None
    from keras_sharpness import landscape

    if not isinstance(request, Surface):
        return run.read(name, landscape.DirectionBundle)
    surface = run.read(name, landscape.LossSurface)
    path = f"{name}-trajectory"
    if path not in run.measurements():
        return SurfaceWithPath(surface, None)
    return SurfaceWithPath(
        surface, run.read(path, landscape.ProjectedTrajectory)
    )


def study_source(name: str, path: pathlib.Path) -> Source:
    """The minima of a study: those of its runs that are finished.

    Raises:
        RunFolderError: If a file of the folder is damaged.
        ValueError: If the outcome is damaged.
    """
    folder = StudyFolder.open(path)
    study = None
    is_comparison = folder.settings.get("study") == "compare"
    if is_comparison and Study.is_finished(folder):
        study = Study.read(folder)
    runs = [run for run in folder.runs() if run.is_finished]
    for run in runs:
        _check_run(run)
    minima = tuple(sorted((_minimum(run, runs) for run in runs), key=_order))
    title = folder.name
    if "model" in folder.settings and "data" in folder.settings:
        title = f"{folder.settings['model']} on {folder.settings['data']}"
    if path == DEMO:
        title = "A small against a large batch"
    data = DataChoice()
    if study is not None:
        plan = study.settings["plan"]
        digests = study.settings.get("fingerprint", {}).get("data", {})
        data = DataChoice(
            name=study.settings["data"],
            num_samples=plan["num_samples"],
            batch_norm=plan["batch_norm"],
            digests=tuple(digests.items()),
        )
    return Source(name, title, minima, data, folder, study)


def _check_run(run: RunFolder) -> None:
    """Refuses settings by which minima cannot be named and put in order.

    Raises:
        RunFolderError: If one is of another type.
    """
    # A batch that grew has its schedule there.
    kinds = {
        "seed": int,
        "batch_size": int | dict,
        "batch": str,
        "group": str,
    }
    for name, kind in kinds.items():
        try:
            typed(name, run.settings.get(name), kind | None)
        except ValueError as error:
            raise RunFolderError(
                f"{run.path / 'run.json'} is damaged: {error}. Delete the "
                "folder of the run, and repeat the command that made it."
            ) from error


def _minimum(run: RunFolder, runs: list[RunFolder]) -> Minimum:
    settings = run.settings
    group = name = run.name
    if "group" in settings or isinstance(settings.get("batch_size"), int):
        kind = settings.get("batch")
        group = settings.get("group") or (
            f"{kind + ' ' if kind else ''}batch {settings['batch_size']}"
        )
        seeds = {other.settings.get("seed") for other in runs}
        name = group
        if len(seeds) > 1:
            name = f"{group}, seed {settings.get('seed')}"
    return Minimum(
        name=name,
        path=run.model_path,
        is_shared=True,
        run=run,
        settings=settings,
        group=group,
    )


def _order(minimum: Minimum) -> tuple:
    settings = minimum.settings
    size = settings.get("batch_size")
    return (
        settings.get("seed") or 0,
        size if isinstance(size, int) else 0,
        minimum.name,
    )
