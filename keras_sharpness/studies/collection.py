"""From the folders of a comparison to its outcome."""

import dataclasses
from typing import Any

import numpy as np

from keras_sharpness.landscape import Interpolation
from keras_sharpness.runs import StudyFolder
from keras_sharpness.studies.comparison import Comparison
from keras_sharpness.studies.measurement import EVALUATION, Evaluation
from keras_sharpness.studies.member_run import MemberRun
from keras_sharpness.studies.pairs import PATHS, pair_name
from keras_sharpness.studies.rows import measured_columns
from keras_sharpness.studies.work import Work
from keras_sharpness.training import TrainingHistory


def collect(
    study: StudyFolder,
    pairs: list[tuple[int, dict[str, MemberRun]]],
    work: Work,
) -> Comparison:
    """Reads what the runs of a study hold.

    Args:
        study: The `StudyFolder`.
        pairs: List of (seed, dict from `"small"` and `"large"` to
            `MemberRun`).
        work: The `Work` of the study.

    Returns:
        A `Comparison`.
    """
    rows, barriers = [], {}
    for seed, pair in pairs:
        for kind, run in pair.items():
            rows.append(_row(seed, kind, run))
        for path in PATHS:
            line = study.read(pair_name(path, seed), Interpolation)
            for split, barrier in line.barriers.items():
                barriers.setdefault(f"{path}/{split}", []).append(barrier)
    return Comparison(
        rows=tuple(rows),
        barriers={key: np.array(values) for key, values in barriers.items()},
        settings={
            **work.settings,
            "seeds": [seed for seed, _ in pairs],
            "plan": dataclasses.asdict(work.plan),
        },
        folder=str(study.path),
    )


def _row(seed: int, kind: str, run: MemberRun) -> dict[str, Any]:
    history = run.folder.history(TrainingHistory)
    evaluation = run.folder.read(EVALUATION, Evaluation)
    return {
        "seed": seed,
        "batch": kind,
        "batch_size": run.member.batch_size,
        "epochs": len(history.epoch),
        "updates": history.num_updates,
        "train_accuracy": evaluation.train_accuracy,
        "test_accuracy": evaluation.test_accuracy,
        "train_loss": evaluation.train_loss,
        "test_loss": evaluation.test_loss,
        "distance_from_start": evaluation.distance_from_start,
        **measured_columns(run),
    }
