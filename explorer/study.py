"""A finished comparison, read from its folder without Keras."""

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np
import pandas as pd

from keras_sharpness.landscape import Interpolation
from keras_sharpness.result_types import typed
from keras_sharpness.runs import RunFolder, RunFolderError, StudyFolder
from keras_sharpness.studies import Comparison
from keras_sharpness.studies.pairs import pair_name

_RESULT, _REPORT = "comparison.json", "report.html"

# What the pages take of a stored result whose class they do not import.
EIGENVALUES = {
    "eigenvalues": np.ndarray,
    "residuals": np.ndarray,
    "converged": np.ndarray,
    "objective": dict,
}
_SETTINGS = {
    "model": str,
    "data": str,
    "num_weights": int,
    "num_train": int,
    "num_test": int,
    "epochs": int,
    "seeds": tuple[int, ...],
    "optimizer": dict,
    "plan": dict,
}
_PLAN = {"num_samples": int | None, "batch_norm": str}


def _check(settings: dict[str, Any]) -> None:
    """Refuses settings of an outcome that the pages cannot show."""
    for name, hint in _SETTINGS.items():
        typed(name, settings.get(name), hint)
    for name, hint in _PLAN.items():
        typed(name, settings["plan"].get(name), hint)
    optimizer = settings["optimizer"]
    typed("class_name", optimizer.get("class_name"), str)
    typed("config", optimizer.get("config"), dict)
    data = (settings.get("fingerprint") or {}).get("data", {})
    typed("fingerprint", data, dict[str, str])


@dataclasses.dataclass(frozen=True)
class Study:
    """A finished comparison.

    Attributes:
        folder: The `StudyFolder`.
        comparison: The `Comparison` of its runs.
    """

    folder: StudyFolder
    comparison: Comparison

    @staticmethod
    def is_finished(folder: StudyFolder) -> bool:
        """Whether the folder holds the outcome already."""
        return folder.path_of(_RESULT).is_file()

    @classmethod
    def read(cls, folder: StudyFolder) -> "Study":
        """Reads the outcome; what the views need beyond it, they read later.

        Args:
            folder: `StudyFolder` of a finished comparison.

        Returns:
            A `Study`.

        Raises:
            ValueError: If the outcome is damaged.
        """
        file = folder.path_of(_RESULT)
        comparison = Comparison.load(file)
        try:
            _check(comparison.settings)
        except ValueError as error:
            raise ValueError(
                f"{file} is damaged: {error}. Delete it, and repeat the "
                "command that made the study."
            ) from error
        return cls(folder, comparison)

    def runs(self) -> list[RunFolder]:
        """The runs, one for each row of the outcome.

        Raises:
            RunFolderError: If one is missing.
        """
        return [self._run(row) for row in self.comparison.rows]

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked for, that of the measurements under `"plan"`."""
        return self.comparison.settings

    @property
    def file(self) -> pathlib.Path:
        """Where the outcome is."""
        return self.folder.path_of(_RESULT)

    @property
    def report(self) -> pathlib.Path:
        """The report of the study, which somebody may have moved away."""
        return self.folder.path_of(_REPORT)

    @property
    def seeds(self) -> list[int]:
        """The seeds; each has a small-batch and a large-batch run."""
        return list(self.settings["seeds"])

    @property
    def batch_names(self) -> dict[str, str]:
        """What to call the two kinds of run, e.g. `"small batch 32"`."""
        return {
            row["batch"]: f"{row['batch']} batch {row['batch_size']}"
            for row in self.comparison.rows
        }

    @property
    def num_samples(self) -> int:
        """How many training samples the measurements were taken on."""
        there_are = self.settings["num_train"]
        return min(self.settings["plan"]["num_samples"] or there_are, there_are)

    def line(self, path: str, seed: int) -> Interpolation:
        """Loss and accuracy between the two minima of one seed.

        Raises:
            RunFolderError: If the file is missing or damaged.
        """
        return self.folder.read(pair_name(path, seed), Interpolation)

    def eigenvalues(self) -> pd.DataFrame | None:
        """One row per run and eigenvalue, or None if none were computed.

        Raises:
            RunFolderError: If a file is missing or damaged.
        """
        if not all("eigenvalue_1" in row for row in self.comparison.rows):
            return None
        parts = []
        for row in self.comparison.rows:
            # As values: the class of the result would bring in Keras.
            found = self._run(row).read_values(
                "hessian_eigenvalues", EIGENVALUES
            )
            parts.append(
                pd.DataFrame(
                    {
                        "seed": row["seed"],
                        "batch": row["batch"],
                        "batch_size": row["batch_size"],
                        "eigenvalue": found["eigenvalues"],
                        "residual": found["residuals"],
                        "converged": found["converged"],
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    @functools.cached_property
    def _runs(self) -> dict[tuple[int, int], RunFolder]:
        return {
            (run.settings.get("seed"), run.settings.get("batch_size")): run
            for run in self.folder.runs()
        }

    def _run(self, row: dict[str, Any]) -> RunFolder:
        """The run that a row of the comparison was read from."""
        key = row["seed"], row["batch_size"]
        if key not in self._runs:
            raise RunFolderError(
                f"{self.folder.path} holds no run with seed {key[0]} and batch "
                f"size {key[1]} any more. Repeat the command that made the "
                "study, and it makes what is missing."
            )
        return self._runs[key]
