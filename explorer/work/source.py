"""Where minima come from: a study, the demo, or files that were dropped."""

import dataclasses
import pathlib
import types
from typing import Any

import pandas as pd
from study import Study

from keras_sharpness.runs import RunFolder, StudyFolder
from keras_sharpness.studies.pairs import PATHS
from work.around import Around, Surface
from work.between import Interpolate
from work.data import DataChoice
from work.measure import Measure
from work.minimum import Minimum
from work.request import Request
from work.spectrum import Spectrum
from work.surface_with_path import SurfaceWithPath

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
                return Values(run.read_values(name))
        elif isinstance(request, Spectrum):
            if run.has("spectral_density", request.settings()):
                return DensityValues(run.read_values("spectral_density"))
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


class Values(types.SimpleNamespace):
    """A stored result whose class was not imported."""

    def __init__(self, values: dict[str, Any]):
        super().__init__(**values)

    def to_dict(self) -> dict[str, Any]:
        """The values, as `Result.to_dict` gives them."""
        from keras_sharpness.results import encode

        return {name: encode(value) for name, value in vars(self).items()}


class DensityValues(Values):
    """A stored spectral density, with the table that its chart takes."""

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
    if not isinstance(request, Surface):
        return run.read(name)
    path = f"{name}-trajectory"
    return SurfaceWithPath(
        run.read(name), run.read(path) if path in run.measurements() else None
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


def _minimum(run: RunFolder, runs: list[RunFolder]) -> Minimum:
    settings = run.settings
    group = name = run.name
    if "batch_size" in settings:
        kind = settings.get("batch")
        group = f"{kind + ' ' if kind else ''}batch {settings['batch_size']}"
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
    return (
        settings.get("seed") or 0,
        settings.get("batch_size") or 0,
        minimum.name,
    )
