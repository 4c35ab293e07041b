"""The outcome of comparing small-batch with large-batch training."""

import dataclasses
from typing import Any, Literal

import numpy as np
import pandas as pd

from keras_sharpness.result_types import typed
from keras_sharpness.results import Result
from keras_sharpness.studies.metrics import (
    EPSILON_SHARPNESS,
    described_columns,
)
from keras_sharpness.studies.paired_ratio import ratio_text
from keras_sharpness.studies.verdict import (
    paired,
    verdict_on_generalisation,
    verdict_on_sharpness,
)

# Columns of the frame, what the table calls them, and their format.
_ROWS = (
    ("train_accuracy", "train accuracy (%)", 100.0, "{:.2f}"),
    ("test_accuracy", "test accuracy (%)", 100.0, "{:.2f}"),
    ("train_loss", "train loss", 1.0, "{:.3g}"),
    ("test_loss", "test loss", 1.0, "{:.3g}"),
)
# What tells runs apart; the other columns are numbers, or without a value.
_ROW = {
    "seed": int,
    "batch": Literal["small", "large"],
    "batch_size": int,
    "train_loss": float,
    "test_loss": float,
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Comparison(Result):
    """What was measured of every run of a comparison.

    Attributes:
        rows: Tuple of dicts, one per run: seed, batch (`"small"` or
            `"large"`), batch_size, epochs, updates, accuracies and losses,
            `sharpness_<ε>_full` and `…_subspace` in percent, `eigenvalue_1` …
            and `distance_from_start`.
        barriers: Dict from path and split, e.g. `"linear/train"`, to the
            barriers between the pairs, one per seed.
        settings: Dict. What was asked for.
        folder: Str. Where the runs are.
    """

    rows: tuple[dict[str, Any], ...]
    barriers: dict[str, Any]
    settings: dict[str, Any]
    folder: str

    def check(self) -> None:
        """Refuses rows that are not of runs, or not in pairs."""
        super().check()
        for row in self.rows:
            for name, kind in _ROW.items():
                typed(f"rows: {name}", row.get(name), kind)
            for name, value in row.items():
                if name not in _ROW:
                    typed(f"rows: {name}", value, float | None)
        pairs = sorted((row["seed"], row["batch"]) for row in self.rows)
        seeds = sorted({row["seed"] for row in self.rows})
        if not pairs or pairs != [
            (seed, kind) for seed in seeds for kind in ("large", "small")
        ]:
            raise ValueError(f"runs {pairs}, not a pair for each seed")
        if len({tuple(sorted(row)) for row in self.rows}) > 1:
            raise ValueError("rows of several columns")

    def to_frame(self) -> pd.DataFrame:
        """One row per run."""
        return pd.DataFrame(list(self.rows))

    def sharpness_frame(self) -> pd.DataFrame:
        """One row per run, ε and space: epsilon, space, sharpness, ….

        Returns:
            A tidy DataFrame, the sharpness in percent.
        """
        frame = self.to_frame()
        panels = {name: EPSILON_SHARPNESS.panel(name) for name in frame}
        keep = ["seed", "batch", "batch_size", "train_accuracy"]
        keep += ["test_accuracy", "train_loss", "test_loss"]
        parts = []
        for name, panel in panels.items():
            if panel is None:
                continue
            part = frame[[n for n in keep if n in frame]].copy()
            part["epsilon"] = panel["epsilon"]
            part["space"] = panel["space"]
            part["sharpness"] = frame[name]
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """The paper's table: mean ± standard deviation over the seeds.

        Returns:
            A DataFrame of strings, one row per quantity and the columns
            `small batch …`, `large batch …` and `large / small`. Standard
            deviations are those of a sample (n − 1). The last column is the
            geometric mean of the seeds' ratios and its 95 % confidence
            interval (`PairedRatio`), empty for counts and shares, which have
            no such scale.
        """
        frame = self.to_frame()
        groups = {
            kind: frame[frame["batch"] == kind] for kind in ("small", "large")
        }
        sizes = {
            kind: int(group["batch_size"].iloc[0])
            for kind, group in groups.items()
        }
        table = {}
        for column, label, factor, template in self._quantities(frame):
            values = {
                kind: factor * group[column].astype(float)
                for kind, group in groups.items()
            }
            table[label] = {
                **{
                    f"{kind} batch ({sizes[kind]})": _mean_and_spread(
                        values[kind], template
                    )
                    for kind in groups
                },
                "large / small": _ratio(frame, column),
            }
        return pd.DataFrame.from_dict(table, orient="index")

    def verdict(self) -> list[str]:
        """The comparison in sentences, with the numbers they rest on.

        All measures of sharpness are weighed, each by the ratios of the two
        minima of every seed, and a minimum is called sharper or better only
        where the 95 % confidence interval says so.

        Returns:
            List of str; the last one is about generalisation.
        """
        frame = self.to_frame()
        return [
            *verdict_on_sharpness(frame),
            verdict_on_generalisation(frame, self.settings.get("num_test")),
        ]

    def _quantities(
        self, frame: pd.DataFrame
    ) -> list[tuple[str, str, float, str]]:
        # Without a value where y is no class: accuracies.
        rows = [
            row
            for row in _ROWS
            if row[0] in frame and frame[row[0]].notna().any()
        ]
        rows += [
            (column.name, column.label, 1.0, "{:.4g}")
            for column in described_columns(list(frame))
        ]
        rows.append(
            ("distance_from_start", "distance from start", 1.0, "{:.3g}")
        )
        rows.append(("epochs", "epochs", 1.0, "{:.0f}"))
        rows.append(("updates", "updates", 1.0, "{:.0f}"))
        return rows


def _ratio(frame: pd.DataFrame, column: str) -> str:
    if column in ("epochs", "updates") or column.endswith("accuracy"):
        return ""
    ratio = paired(frame, column)
    if not np.isfinite(ratio.ratio):
        return "–"
    if ratio.obstacle:
        return ratio_text(ratio.ratio)
    low, high = (ratio_text(end, digits=2) for end in (ratio.low, ratio.high))
    return f"{ratio_text(ratio.ratio)} ({low}–{high})"


def _mean_and_spread(values: pd.Series, template: str) -> str:
    mean = template.format(values.mean())
    if len(values) == 1:
        return mean
    return f"{mean} ± {template.format(values.std(ddof=1))}"
