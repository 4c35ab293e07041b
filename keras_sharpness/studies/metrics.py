"""All that a study can measure of a minimum, as one table.

A new metric is one class here and one entry in `METRICS`. It then stands in
the plan, on the command line, in frames, tables, reports and the explorer.
Stored studies are read without Keras, so a metric imports what measures only
when it does.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_sharpness import arguments
from keras_sharpness.results import Result
from keras_sharpness.studies.column_names import NameTemplate

if TYPE_CHECKING:
    from keras_sharpness.metrics import Objective

Settings = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of numbers and the words for it.

    Attributes:
        name: Str, as in `to_frame()`.
        label: Str, of a row in a table.
        words: Str, in a sentence.
        is_local: Bool. Whether it looks at an infinitely small neighbourhood
            or at random directions only, not at a whole box.
    """

    name: str
    label: str
    words: str
    is_local: bool


@dataclasses.dataclass(frozen=True)
class Line:
    """One number as the command line prints it.

    Attributes:
        label: Str.
        value: Str.
        trust: Str. How far to trust it.
        cost: Str.
    """

    label: str
    value: str
    trust: str = ""
    cost: str = ""


class Metric:
    """One kind of measurement: how it is taken, kept and spoken of.

    Attributes:
        name: Str. What plans and the command line call it.
        about: Str. One sentence for the command line's help.
        options: Dict of the settings that a plan may change, with defaults.
        file: `NameTemplate` of its name in a run's folder.
        column: `NameTemplate` of its columns.
    """

    name: str
    about: str
    options: Settings
    file: NameTemplate
    column: NameTemplate

    def requests(self, plan: Mapping[str, Any]) -> Iterator[Settings]:
        """The settings of each measurement of this kind that a plan asks for.

        Args:
            plan: Mapping of the plan's fields.

        Yields:
            Dict.
        """
        if self.name in plan["measures"]:
            yield {
                **self.options,
                **plan["measures"][self.name],
                "seed": plan["seed"],
            }

    def file_name(self, settings: Settings) -> str:
        """The measurement's name in a run's folder.

        Args:
            settings: Dict, one of `requests`.

        Returns:
            Str.
        """
        return self.file.make(**settings)

    def stored(self, settings: Settings) -> Settings:
        """The settings as they are kept beside the result.

        Args:
            settings: Dict, one of `requests`.

        Returns:
            Dict.
        """
        return settings

    def measure(
        self,
        objective: "Objective",
        settings: Settings,
        progress: Callable | None,
    ) -> Result:
        """Takes the measurement.

        Args:
            objective: `Objective` of the training samples.
            settings: Dict, one of `requests`.
            progress: As in the functions of `keras_sharpness.metrics`.

        Returns:
            A `Result`.
        """
        raise NotImplementedError

    def result(self) -> type[Result]:
        """The class of what `measure` returns; it is imported."""
        raise NotImplementedError

    def values(self, result: Any, settings: Settings) -> dict[str, float]:
        """The numbers of a result by column.

        Args:
            result: What `measure` returned.
            settings: Dict, one of `requests`.

        Returns:
            Dict.
        """
        return {self.column.make(**settings): float(result.value)}

    def describe(self, column: str) -> Column | None:
        """What a column holds, if it is one of this metric's.

        Args:
            column: Str.

        Returns:
            A `Column`, or None.
        """
        raise NotImplementedError

    def lines(self, result: Any, settings: Settings) -> list[Line]:
        """The result as the command line prints it.

        Args:
            result: What `measure` returned.
            settings: Dict, one of `requests`.

        Returns:
            List of `Line`.
        """
        raise NotImplementedError

    def check(self, options: Settings) -> Settings:
        """The settings a plan gives, checked.

        Args:
            options: Dict with names among `options`.

        Returns:
            Dict.

        Raises:
            ValueError: If a name or a value does not fit.
        """
        unknown = [name for name in options if name not in self.options]
        if unknown:
            raise arguments.refuse(
                "measures",
                options,
                f"settings of {self.name}: {', '.join(self.options)}",
            )
        return dict(options)


_EPSILON = r"[0-9.e+-]+"
_SPACE = "full|subspace"


class EpsilonSharpness(Metric):
    """φ of Keskar et al. in the full space and in a random subspace."""

    name = "epsilon_sharpness"
    about = "Rise of the loss in a box, Metric 2.1 of Keskar et al. (2017)."
    options: Settings = {}  # noqa: RUF012
    file = NameTemplate(
        "epsilon_sharpness-{epsilon}-{space}", epsilon=_EPSILON, space=_SPACE
    )
    column = NameTemplate(
        "sharpness_{epsilon}_{space}", epsilon=_EPSILON, space=_SPACE
    )

    def requests(self, plan: Mapping[str, Any]) -> Iterator[Settings]:
        """One for each box size and space."""
        for epsilon in plan["epsilons"]:
            for space in ("full", "subspace"):
                dim = plan["subspace_dim"] if space == "subspace" else None
                if space == "full" or dim is not None:
                    yield {
                        "epsilon": epsilon,
                        "subspace_dim": dim,
                        "maximizer": plan["maximizer"],
                        "num_starts": plan["num_starts"],
                        "seed": plan["seed"],
                    }

    def file_name(self, settings: Settings) -> str:
        """Named after ε and the space."""
        return self.file.make(**_box(settings))

    def stored(self, settings: Settings) -> Settings:
        """Without ε, which the name holds."""
        from keras_sharpness.metrics.epsilon_sharpness import chosen_maximizer

        dim, starts = settings["subspace_dim"], settings["num_starts"]
        kept = {
            "maximizer": chosen_maximizer(
                settings["maximizer"], in_subspace=dim is not None
            ),
            "seed": settings["seed"],
            # Folders of earlier versions know one start, unnamed.
            "num_starts": starts if starts > 1 else None,
        }
        return kept if dim is None else {**kept, "subspace_dim": dim}

    def measure(
        self,
        objective: "Objective",
        settings: Settings,
        progress: Callable | None,
    ) -> Result:
        """Searches the box."""
        from keras_sharpness import metrics

        return metrics.epsilon_sharpness(
            objective, **settings, progress=progress
        ).without_vectors()

    def result(self) -> type[Result]:
        """`EpsilonSharpness` of the metrics."""
        from keras_sharpness import metrics

        return metrics.EpsilonSharpness

    def values(self, result: Any, settings: Settings) -> dict[str, float]:
        """φ in percent."""
        return {self.column.make(**_box(settings)): result.value}

    def describe(self, column: str) -> Column | None:
        """φ of an ε and a space."""
        found = self.column.read(column)
        if found is None:
            return None
        is_full = found["space"] == "full"
        return Column(
            name=column,
            label=f"φ, ε = {found['epsilon']}{'' if is_full else ', subspace'}"
            " (%)",
            words=f"φ at ε = {found['epsilon']} in the "
            f"{'full space' if is_full else 'subspace'}",
            is_local=not is_full,
        )

    def lines(self, result: Any, settings: Settings) -> list[Line]:
        """With the share of the coordinates that are on the box."""
        (column,) = self.values(result, settings)
        return [
            Line(
                self.describe(column).label,
                f"{result.value:.4g}",
                f"lower bound, {100 * result.share_at_bound:.0f} % at box",
                f"{result.num_evaluations} gradients, {result.seconds:.1f} s",
            )
        ]

    def panel(self, column: str) -> dict[str, Any] | None:
        """The ε and space of a column, for charts that draw one panel each.

        Args:
            column: Str.

        Returns:
            Dict with `epsilon` and `space`, or None for another column.
        """
        found = self.column.read(column)
        return found and {**found, "epsilon": float(found["epsilon"])}


def _box(settings: Settings) -> dict[str, str]:
    in_full = settings["subspace_dim"] is None
    return {
        "epsilon": f"{settings['epsilon']:g}",
        "space": "full" if in_full else "subspace",
    }


class HessianEigenvalues(Metric):
    """The largest eigenvalues of the Hessian of the training loss."""

    name = "hessian_eigenvalues"
    about = "The largest eigenvalues of the Hessian."
    options: Settings = {}  # noqa: RUF012
    file = NameTemplate("hessian_eigenvalues")
    column = NameTemplate("eigenvalue_{rank}", rank="[0-9]+")

    def requests(self, plan: Mapping[str, Any]) -> Iterator[Settings]:
        """One, for all eigenvalues."""
        if plan["num_eigenvalues"]:
            yield {"k": plan["num_eigenvalues"], "seed": plan["seed"]}

    def measure(
        self,
        objective: "Objective",
        settings: Settings,
        progress: Callable | None,
    ) -> Result:
        """Block Lanczos."""
        from keras_sharpness import metrics

        return metrics.hessian_eigenvalues(
            objective, **settings, progress=progress
        )

    def result(self) -> type[Result]:
        """`Eigenvalues` of the metrics."""
        from keras_sharpness import metrics

        return metrics.Eigenvalues

    def values(
        self,
        result: Any,
        settings: Settings,  # noqa: ARG002
    ) -> dict[str, float]:
        """One column for each rank, from 1."""
        return {
            self.column.make(rank=rank): float(value)
            for rank, value in enumerate(result.eigenvalues, 1)
        }

    def describe(self, column: str) -> Column | None:
        """The eigenvalue of a rank."""
        found = self.column.read(column)
        if found is None:
            return None
        return Column(
            name=column,
            label=f"eigenvalue {found['rank']}",
            words=f"Hessian eigenvalue {found['rank']}",
            is_local=True,
        )

    def lines(
        self,
        result: Any,
        settings: Settings,  # noqa: ARG002
    ) -> list[Line]:
        """Each with its residual."""
        lines = []
        for rank, value in enumerate(result.eigenvalues, 1):
            mark = "" if result.converged[rank - 1] else ", not converged"
            cost = f"{result.num_products} products, {result.seconds:.1f} s"
            lines.append(
                Line(
                    f"Hessian eigenvalue {rank}",
                    f"{value:.4g}",
                    f"± {result.residuals[rank - 1]:.1g}{mark}",
                    cost if rank == 1 else "",
                )
            )
        return lines


class HessianTrace(Metric):
    """The trace of the Hessian of the training loss."""

    name = "hessian_trace"
    about = "The trace of the Hessian, by Hutchinson's probes (num_probes)."
    options: Settings = {"num_probes": 100}  # noqa: RUF012
    file = column = NameTemplate("hessian_trace")

    def check(self, options: Settings) -> Settings:
        """A number of probes."""
        options = super().check(options)
        return {
            name: arguments.integer(name, value, least=2)
            for name, value in options.items()
        }

    def measure(
        self,
        objective: "Objective",
        settings: Settings,
        progress: Callable | None,
    ) -> Result:
        """Hutchinson's estimate."""
        from keras_sharpness import metrics

        return metrics.hessian_trace(objective, **settings, progress=progress)

    def result(self) -> type[Result]:
        """`Trace` of the metrics."""
        from keras_sharpness import metrics

        return metrics.Trace

    def describe(self, column: str) -> Column | None:
        """The trace."""
        if self.column.read(column) is None:
            return None
        return Column(column, "Hessian trace", "the trace of the Hessian", True)

    def lines(
        self,
        result: Any,
        settings: Settings,  # noqa: ARG002
    ) -> list[Line]:
        """With its standard error."""
        return [
            Line(
                "Hessian trace",
                f"{result.value:.4g}",
                f"± {result.standard_error:.1g}",
                f"{result.num_products} products, {result.seconds:.1f} s",
            )
        ]


EPSILON_SHARPNESS = EpsilonSharpness()
HESSIAN_EIGENVALUES = HessianEigenvalues()
# The table. Its order is that of measurements and of columns.
METRICS: tuple[Metric, ...] = (
    EPSILON_SHARPNESS,
    HESSIAN_EIGENVALUES,
    HessianTrace(),
)


def described_columns(names: Sequence[str]) -> list[Column]:
    """The columns among `names` that hold a measure of sharpness.

    Args:
        names: Sequence of str, e.g. a DataFrame's columns.

    Returns:
        List of `Column`, in the order of `names`.
    """
    found = [
        next(filter(None, (m.describe(name) for m in METRICS)), None)
        for name in names
    ]
    return [column for column in found if column is not None]
