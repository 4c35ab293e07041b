"""How groups of trainings differ from one of them, as the seeds tell."""

import dataclasses

import numpy as np
import pandas as pd

from keras_sharpness.studies.paired_accuracy import PairedAccuracy
from keras_sharpness.studies.paired_ratio import PairedRatio
from keras_sharpness.studies.study_result import StudyResult
from keras_sharpness.studies.tables import RESULTS, spread

GROUP = "group"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GroupComparison(StudyResult):
    """What groups of trainings have in common, one training per seed in each.

    Trainings that did not reach the loss they were to reach stand in the table
    and are not compared.

    Attributes:
        rows: Tuple of dicts, one per training that has ended, with `group`.
        failures: Dict from the names of members that failed to the reason.
        missing: Tuple of the names of members that have not been run.
        settings: Dict. What was asked for; `groups` are the groups in order,
            and `references` says what each but the first is compared with.
        folder: Str. Where the members are.
    """

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of which a training has ended, in order."""
        there = {row[GROUP] for row in self.rows}
        return tuple(g for g in self.settings["groups"] if g in there)

    @property
    def references(self) -> dict[str, str]:
        """From a group to the one that it is compared with."""
        found = dict(self.settings["references"])
        return {
            group: reference
            for group, reference in found.items()
            if group in self.groups and reference in self.groups
        }

    def table(self) -> pd.DataFrame:
        """Mean ± standard deviation over the seeds, one row per group.

        Returns:
            A DataFrame of texts. Standard deviations are those of a sample
            (n − 1); of one seed there is none.
        """
        frame = self.to_frame()
        columns = [c for c in RESULTS if frame[c[0]].notna().any()]
        columns += [(c.name, c.label, 1.0, "{:.4g}") for c in self.measures]
        texts = {
            group: {
                label: spread(
                    factor * frame.loc[frame[GROUP] == group, name], template
                )
                for name, label, factor, template in columns
            }
            for group in self.groups
        }
        return pd.DataFrame.from_dict(texts, orient="index")

    def differences(self) -> pd.DataFrame:
        """Every group against the one that it is compared with.

        Returns:
            A tidy DataFrame: `group`, `reference`, `quantity`, `estimate`,
            `low`, `high` and `num_pairs`. Of measures of sharpness and of
            losses the estimate is the geometric mean of the seeds' ratios, of
            the test accuracy the mean difference in percentage points; the
            ends are those of their 95 % confidence intervals, NaN where there
            is none.
        """
        rows = []
        for group, reference in self.references.items():
            first, second = self._paired(reference, group)
            if not len(first):
                continue
            names = ["test_loss", "train_loss", "updates"]
            for name in [*names, *(c.name for c in self.measures)]:
                ratio = PairedRatio.of(first[name], second[name])
                rows.append(
                    {
                        "group": group,
                        "reference": reference,
                        "quantity": name,
                        "estimate": ratio.ratio,
                        "low": ratio.low,
                        "high": ratio.high,
                        "num_pairs": ratio.num_pairs,
                    }
                )
            accuracy = self._accuracy(first, second)
            if accuracy is not None:
                rows.append(
                    {
                        "group": group,
                        "reference": reference,
                        "quantity": "test_accuracy",
                        "estimate": accuracy.gap,
                        "low": accuracy.gap - accuracy.margin,
                        "high": accuracy.gap + accuracy.margin,
                        "num_pairs": accuracy.num_pairs,
                    }
                )
        return pd.DataFrame(rows)

    def summary(self) -> list[str]:
        """The study in sentences, with the numbers they rest on.

        Returns:
            List of str: what ended, and each group against its reference.
        """
        sentences = [self.ended()]
        for group, reference in self.references.items():
            first, second = self._paired(reference, group)
            if not len(first):
                sentences.append(
                    f"{group[:1].upper()}{group[1:]} and {reference} cannot "
                    "be compared: no seed reached the loss with both."
                )
            else:
                sentences.append(
                    f"{group[:1].upper()}{group[1:]} against {reference}: "
                    f"{self._on_sharpness(first, second)}; "
                    f"{self._on_accuracy(first, second)}."
                )
        return sentences

    def _paired(
        self, reference: str, group: str
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows of both groups, of the seeds that count with both.

        Those count that reached the loss they were to reach, or had none.
        """
        frame = self.to_frame()
        frame = frame[[row["converged"] is not False for row in self.rows]]
        one, other = (
            frame[frame[GROUP] == name].set_index("seed")
            for name in (reference, group)
        )
        seeds = one.index.intersection(other.index)
        return one.loc[seeds], other.loc[seeds]

    def _on_sharpness(self, first: pd.DataFrame, second: pd.DataFrame) -> str:
        words = {1: "sharper", -1: "flatter", 0: "cannot be told apart"}
        found: dict[int, list[str]] = {1: [], -1: [], 0: []}
        for column in self.measures:
            ratio = PairedRatio.of(first[column.name], second[column.name])
            found[ratio.side].append(f"{column.words} × {ratio}")
        parts = [
            f"{words[side]} by {', '.join(texts)}"
            for side, texts in found.items()
            if texts
        ]
        return "; ".join(parts) if parts else "no sharpness was measured"

    def _on_accuracy(self, first: pd.DataFrame, second: pd.DataFrame) -> str:
        found = self._accuracy(first, second)
        if found is None:
            ratio = PairedRatio.of(first["test_loss"], second["test_loss"])
            return f"test loss × {ratio}"
        if not np.isfinite(found.margin):
            return f"test accuracy {found.gap:+.2f} points, without an interval"
        text = f"test accuracy {found.gap:+.2f} points ({found.interval()})"
        return text if found.side else f"{text}, which may be none"

    def _accuracy(
        self, first: pd.DataFrame, second: pd.DataFrame
    ) -> PairedAccuracy | None:
        values = [
            frame["test_accuracy"].astype(float) for frame in (first, second)
        ]
        if not len(first) or any(v.isna().any() for v in values):
            return None
        return PairedAccuracy.of(
            *values, num_test=self.settings.get("num_test")
        )
