"""From the folders of a comparison to its outcome."""

import dataclasses
from typing import Any

import numpy as np

from keras_sharpness.landscape import Interpolation
from keras_sharpness.metrics.eigenvalues import Eigenvalues
from keras_sharpness.metrics.epsilon_sharpness import EpsilonSharpness
from keras_sharpness.runs import StudyFolder
from keras_sharpness.studies.comparison import Comparison
from keras_sharpness.studies.measurement import Evaluation, MeasurementPlan
from keras_sharpness.studies.member import Member
from keras_sharpness.studies.pairs import PATHS, pair_name
from keras_sharpness.training import TrainingHistory


def collect(
    study: StudyFolder,
    pairs: list[tuple[int, dict[str, Member]]],
    plan: MeasurementPlan,
    settings: dict[str, Any],
) -> Comparison:
    """Reads what the runs of a study hold.

    Args:
        study: The `StudyFolder`.
        pairs: List of (seed, dict from `"small"` and `"large"` to `Member`).
        plan: The `MeasurementPlan`.
        settings: Dict. The study's settings.

    Returns:
        A `Comparison`.
    """
    rows, barriers = [], {}
    for seed, pair in pairs:
        for kind, member in pair.items():
            rows.append(_row(seed, kind, member))
        for path in PATHS:
            line = study.read(pair_name(path, seed), Interpolation)
            for split, barrier in line.barriers.items():
                barriers.setdefault(f"{path}/{split}", []).append(barrier)
    return Comparison(
        rows=tuple(rows),
        barriers={key: np.array(values) for key, values in barriers.items()},
        settings={
            **settings,
            "seeds": [seed for seed, _ in pairs],
            "plan": dataclasses.asdict(plan),
        },
        folder=str(study.path),
    )


def _row(seed: int, kind: str, member: Member) -> dict[str, Any]:
    folder = member.folder
    history = folder.history(TrainingHistory)
    evaluation = folder.read("evaluation", Evaluation)
    row = {
        "seed": seed,
        "batch": kind,
        "batch_size": member.batch_size,
        "epochs": len(history.epoch),
        "updates": history.num_updates,
        "train_accuracy": evaluation.train_accuracy,
        "test_accuracy": evaluation.test_accuracy,
        "train_loss": evaluation.train_loss,
        "test_loss": evaluation.test_loss,
        "distance_from_start": evaluation.distance_from_start,
    }
    for name in member.plan.names():
        if name.startswith("epsilon_sharpness-"):
            # "epsilon_sharpness-5e-04-full": ε itself may hold a hyphen.
            epsilon, space = name.removeprefix("epsilon_sharpness-").rsplit(
                "-", 1
            )
            row[f"sharpness_{epsilon}_{space}"] = folder.read(
                name, EpsilonSharpness
            ).value
        elif name == "hessian_eigenvalues":
            for rank, value in enumerate(
                folder.read(name, Eigenvalues).eigenvalues, 1
            ):
                row[f"eigenvalue_{rank}"] = float(value)
    return row
