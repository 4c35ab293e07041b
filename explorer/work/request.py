"""What can be computed: settings that know their cost, work and Python."""

import abc
import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from work.data import DataChoice
from work.jobs import Job
from work.minimum import Minimum


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
    def cost(self) -> str:
        """What it takes, in the unit that counts, e.g. evaluations."""

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
    def chart_code(variables: dict[str, "Request"]) -> str:
        """Python lines that show what `code` put into the variables."""

    def samples(self) -> str:
        """The samples in words."""
        count = self.data.num_samples
        return f"{count:,} samples" if count else "all samples"


def script(requests: Sequence[Request]) -> str:
    """A Python script that computes and draws the same with the package.

    Args:
        requests: Sequence of `Request` of one kind.

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
    drawn = requests[0].chart_code(variables)
    return "\n".join([*parts, "", drawn]).rstrip() + "\n"


def models_code(names: dict[str, Minimum]) -> str:
    """Lines that load models into variables."""
    return "\n".join(
        f"{variable} = ks.saving.load_model({minimum.file_name!r})"
        for variable, minimum in names.items()
    )
