"""What can be computed: settings that know their cost, work and Python."""

import abc
import dataclasses
import hashlib
import pathlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

from work.architecture import description
from work.data import DataChoice
from work.jobs import PACES, Job
from work.minimum import Minimum

_WORDS = {
    "evaluation": "loss evaluation",
    "gradient": "gradient",
    "product": "Hessian product",
}


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Request(abc.ABC):
    """One computation with all of its settings.

    Attributes:
        minima: Tuple of `Minimum`, the models it is about.
        data: `DataChoice`.
    """

    minima: tuple[Minimum, ...]
    data: DataChoice
    kind: ClassVar[str]
    title: ClassVar[str]
    # Units whose number is a guess: a search ends when it has found.
    guessed: ClassVar[tuple[str, ...]] = ()

    @property
    def key(self) -> Hashable:
        """Equal for computations with equal results."""
        return (
            self.kind,
            tuple(minimum.sha256 for minimum in self.minima),
            self.data,
            tuple(self.settings().items()),
        )

    @property
    def is_shared(self) -> bool:
        """Whether nothing of it came out of one session."""
        return self.data.file is None and all(m.is_shared for m in self.minima)

    def settings(self) -> dict[str, Any]:
        """The settings beyond models and data; hashable values."""
        own = {f.name for f in dataclasses.fields(self)}
        return {
            name: getattr(self, name)
            for name in sorted(own - {"minima", "data"})
        }

    @abc.abstractmethod
    def work(self) -> dict[str, int]:
        """How much there is to do, by unit, one of `UNITS`."""

    def cost(self) -> str:
        """What it takes, in words; seconds come from `seconds`."""
        parts = []
        for unit, count in self.work().items():
            about = "about " if unit in self.guessed else ""
            plural = "" if count == 1 else "s"
            parts.append(f"{about}{count:,} {_WORDS[unit]}{plural}")
        return f"{' and '.join(parts)} on {self.samples()}"

    def seconds(self) -> float | None:
        """About how long it takes here; None while nothing is measured."""
        return PACES.seconds(self._computed_on(), self.work())

    def learn(self, paces: Mapping[str, float]) -> None:
        """Remembers how fast it went, for the next one on the same data.

        Args:
            paces: Mapping from a unit to seconds, what a `Stopwatch` read.
        """
        if paces:
            PACES.learn(self._computed_on(), paces)

    def _computed_on(self) -> Hashable:
        """A network, with whichever weights, and samples."""
        layers = description(self.minima[0]).layers
        shapes = tuple((la.class_name, la.weight_shapes) for la in layers)
        return shapes, self.data

    def resumed_from(self, folder: pathlib.Path) -> pathlib.Path:
        """The file from which it goes on after a stop, in this session.

        Args:
            folder: Path. The job's.

        Returns:
            Path.
        """
        digest = hashlib.sha256(repr(self.key).encode()).hexdigest()
        return folder / f"{self.kind}-{digest[:16]}.json"

    @abc.abstractmethod
    def run(self, job: Job) -> Any:
        """Does it, in the thread of the computations.

        Args:
            job: `Job` to report to.

        Returns:
            A result of the package.
        """

    @abc.abstractmethod
    def setup_code(self) -> str:
        """Python lines that open the models and make the objectives."""

    @abc.abstractmethod
    def code(self, variable: str) -> str:
        """Python lines that compute the same into a variable."""

    @staticmethod
    @abc.abstractmethod
    def chart_code(
        variables: dict[str, "Request"], options: Mapping[str, Any]
    ) -> str:
        """Python lines that show what `code` put into the variables.

        Args:
            variables: Dict from a variable to its `Request`.
            options: Mapping of what the reader chose for the chart.

        Returns:
            Str.
        """

    def samples(self) -> str:
        """The samples in words."""
        count = self.data.num_samples
        return f"{count:,} samples" if count else "all samples"


def script(
    requests: Sequence[Request], options: Mapping[str, Any] | None = None
) -> str:
    """A Python script that computes and draws the same with the package.

    Args:
        requests: Sequence of `Request` of one kind.
        options: Mapping of what the reader chose for the chart.

    Returns:
        Str.
    """
    parts = ["import keras", "import numpy as np"]
    parts += ["import keras_sharpness as ks", ""]
    setup, variables = "", {}
    for number, request in enumerate(requests, 1):
        if request.setup_code() != setup:
            setup = request.setup_code()
            parts += [setup, ""]
        name = (
            request.kind if len(requests) == 1 else f"{request.kind}_{number}"
        )
        parts.append(request.code(name))
        variables[name] = request
    drawn = requests[0].chart_code(variables, options or {})
    return "\n".join([*parts, "", drawn]).rstrip() + "\n"


def arguments(options: Mapping[str, Any]) -> str:
    """Keyword arguments after others."""
    return "".join(f", {name}={value!r}" for name, value in options.items())


def by_name_code(
    chart: str, variables: dict[str, Request], options: Mapping[str, Any]
) -> str:
    """Lines that draw results of several minima by their names."""
    lines = [
        f"    {request.minima[0].name!r}: {variable},"
        for variable, request in variables.items()
    ]
    end = f"}}{arguments(options)})"
    return "\n".join([f"chart = ks.charts.{chart}({{", *lines, end])


def models_code(names: dict[str, Minimum]) -> str:
    """Lines that load models into variables."""
    return "\n".join(
        f"{variable} = ks.saving.load_model({minimum.file_name!r})"
        for variable, minimum in names.items()
    )
