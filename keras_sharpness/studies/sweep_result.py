"""How accuracy and sharpness move with the batch size, as the seeds tell."""

import dataclasses

import numpy as np
import pandas as pd

from keras_sharpness.studies.critical_batch import CriticalBatch
from keras_sharpness.studies.study_result import StudyResult
from keras_sharpness.studies.tables import RESULTS, spread
from keras_sharpness.studies.threshold import Threshold
from keras_sharpness.studies.verdict import (
    verdict_on_generalisation,
    verdict_on_sharpness,
)

_DISTANCE = ("distance_from_start", "distance from start", 1.0, "{:.3g}")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class BatchSizeSweep(StudyResult):
    """How accuracy and sharpness move with the batch size.

    Attributes:
        rows: Tuple of dicts, one per training that has ended.
        failures: Dict from the names of members that failed to the reason.
        missing: Tuple of the names of members that have not been run.
        settings: Dict. What was asked for.
        folder: Str. Where the members are.
    """

    def counted_frame(self) -> pd.DataFrame:
        """The trainings that count: those that reached the loss they were to.

        Returns:
            A DataFrame, one row per training; all, where none has reached it.
        """
        frame = self.to_frame()
        if not self._some_reached:
            return frame
        return frame[[row["converged"] is not False for row in self.rows]]

    @property
    def _some_reached(self) -> bool:
        return any(row["converged"] is not False for row in self.rows)

    def critical_batch(self) -> CriticalBatch | None:
        """The critical batch size, from the updates to one training loss.

        Returns:
            A `CriticalBatch`, or None where trainings did not stop at a loss.
        """
        frame = self.counted_frame()
        if frame.empty or not (frame["stop_reason"] == "loss").all():
            return None
        return CriticalBatch.of(frame)

    def threshold(self) -> Threshold:
        """The batch size beyond which the test accuracy falls.

        Returns:
            A `Threshold`; without accuracies, that of the rising test loss.
        """
        frame = self.counted_frame()
        if self._has_accuracy:
            return Threshold.of(frame, "test_accuracy")
        frame = frame.assign(fall=-np.log(frame["test_loss"].astype(float)))
        return Threshold.of(frame, "fall")

    def summary(self) -> list[str]:
        """The sweep in sentences, with the numbers they rest on.

        Returns:
            List of str: what ended, sharpness and accuracy at the largest
            batch against the smallest, the threshold, and the critical batch.
        """
        frame = self.counted_frame()
        sizes = sorted(set(frame["batch_size"])) if len(frame) else []
        sentences = [self.ended()]
        if self.rows and not self._some_reached:
            sentences.append(
                "None reached the loss, so the minima are compared at the "
                "losses that the epochs left."
            )
        if len(sizes) > 1:
            pairs = ends_in_pairs(frame)
            if len(pairs):
                sentences.append(
                    f"Largest batch {sizes[-1]} against smallest {sizes[0]}:"
                )
                sentences += verdict_on_sharpness(pairs)
                sentences.append(
                    verdict_on_generalisation(
                        pairs, self.settings.get("num_test")
                    )
                )
            threshold = self.threshold()
            sentences.append(
                threshold.sentence("test accuracy", "points", 100.0)
                if self._has_accuracy
                else threshold.sentence("negative logarithm of the test loss")
            )
        critical = self.critical_batch() if len(frame) else None
        if critical is not None:
            sentences.append(str(critical))
        return sentences

    def table(self) -> pd.DataFrame:
        """Mean ± standard deviation over the seeds, a column per batch size.

        Returns:
            A DataFrame of texts, one row per quantity. Standard deviations are
            those of a sample (n − 1); of one seed there is none.
        """
        frame = self.counted_frame()
        rows = [row for row in RESULTS if frame[row[0]].notna().any()]
        rows += [(c.name, c.label, 1.0, "{:.4g}") for c in self.measures]
        rows.append(_DISTANCE)
        groups = {
            f"batch {size}": group
            for size, group in frame.groupby("batch_size")
        }
        texts = {
            label: {
                name: spread(factor * group[column].astype(float), template)
                for name, group in groups.items()
            }
            for column, label, factor, template in rows
        }
        return pd.DataFrame.from_dict(texts, orient="index")

    @property
    def _has_accuracy(self) -> bool:
        return bool(self.to_frame()["test_accuracy"].notna().all())


def ends_in_pairs(frame: pd.DataFrame) -> pd.DataFrame:
    """The smallest and the largest batch of each seed that has both.

    Args:
        frame: DataFrame, one row per training.

    Returns:
        DataFrame with the column `batch`, `"small"` or `"large"`.
    """
    kinds = {
        frame["batch_size"].min(): "small",
        frame["batch_size"].max(): "large",
    }
    ends = frame[frame["batch_size"].isin(list(kinds))].copy()
    ends["batch"] = ends["batch_size"].map(kinds)
    counts = ends.groupby("seed")["batch"].transform("nunique")
    return ends[counts == 2]
