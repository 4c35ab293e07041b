"""What was measured of the members of a study that have ended."""

import dataclasses
from typing import Any

import pandas as pd

from keras_sharpness.results import Result
from keras_sharpness.studies.metrics import Column, described_columns

_MOST_NAMES = 3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StudyResult(Result):
    """What was measured of the members of a study that have ended.

    Attributes:
        rows: Tuple of dicts, one per member that has ended: member, seed,
            batch_size, the labels, updates, epochs, losses, accuracies,
            converged, …, and one number for each measurement.
        failures: Dict from the names of members that failed to the reason.
            The traceback is in the member's folder.
        missing: Tuple of the names of members that have not been run.
        settings: Dict. What was asked for.
        folder: Str. Where the members are.
    """

    rows: tuple[dict[str, Any], ...]
    failures: dict[str, str]
    missing: tuple[str, ...]
    settings: dict[str, Any]
    folder: str

    def to_frame(self) -> pd.DataFrame:
        """One row per member that has ended."""
        return pd.DataFrame(list(self.rows))

    @property
    def measures(self) -> list[Column]:
        """The measures of sharpness among the columns."""
        return described_columns(list(self.to_frame()))

    def ended(self) -> str:
        """How many members have ended, e.g. `"17 of 20 ended"`.

        Returns:
            Str, with those that failed and those that did not converge.
        """
        missing = len(self.failures) + len(self.missing)
        total = len(self.rows) + missing
        parts = [f"{len(self.rows)} of {total} trainings ended"]
        parts += [
            f"{name} failed: {reason}" for name, reason in self.failures.items()
        ]
        if self.missing:
            parts.append(f"{len(self.missing)} have not been run")
        without = [r["member"] for r in self.rows if r["converged"] is False]
        if without:
            more = ", …" * (len(without) > _MOST_NAMES)
            parts.append(
                f"{len(without)} ended before they reached the loss they were "
                f"to reach: {', '.join(without[:_MOST_NAMES])}{more}"
            )
        return f"{'; '.join(parts).rstrip('.')}."

    def summary(self) -> list[str]:
        """The study in sentences.

        Returns:
            List of str.
        """
        return [self.ended()]
