"""One row of numbers for each member of a study that has ended."""

from typing import Any

from keras_sharpness.studies.measurement import EVALUATION, Evaluation
from keras_sharpness.studies.member_run import TRAINING_LOG, MemberRun
from keras_sharpness.studies.training_log import TrainingLog
from keras_sharpness.training import TrainingHistory

# What every row holds beside the member's labels and the measurements.
RESULTS = (
    "updates",
    "epochs",
    "train_loss",
    "test_loss",
    "train_accuracy",
    "test_accuracy",
    "converged",
    "stop_reason",
    "weight_norm",
    "distance_from_start",
    "gradient_norm",
    "seconds",
)


def measured_columns(run: MemberRun) -> dict[str, float]:
    """The numbers of all measurements of a member but the evaluation.

    Args:
        run: The `MemberRun`, complete.

    Returns:
        Dict from columns to numbers.

    Raises:
        RunFolderError: If a measurement is missing or damaged.
    """
    plan, found = run.work.plan, {}
    for name in plan.names():
        if name != EVALUATION:
            found |= plan.values(name, run.folder.read(name, plan.kind(name)))
    return found


def row_of(run: MemberRun) -> dict[str, Any]:
    """The row of a member.

    Args:
        run: The `MemberRun`, complete.

    Returns:
        Dict from columns to numbers, texts and None.

    Raises:
        RunFolderError: If something is missing or damaged.
    """
    folder = run.folder
    history = folder.history(TrainingHistory)
    evaluation = folder.read(EVALUATION, Evaluation)
    log = folder.read(TRAINING_LOG, TrainingLog)
    settings = run.member.settings()
    labels = {
        name: value
        for name, value in settings.items()
        if name not in ("training", "start", "seed")
    }
    if not isinstance(labels["batch_size"], int):
        del labels["batch_size"]
    results = {
        "updates": history.num_updates,
        "epochs": len(history.epoch),
        "converged": log.converged,
        "stop_reason": history.stop_reason,
        "seconds": history.total_seconds,
    }
    results |= {
        name: getattr(evaluation, name)
        for name in RESULTS
        if name not in results
    }
    return {
        "member": run.member.name,
        "seed": run.member.seed,
        **labels,
        **{name: results[name] for name in RESULTS},
        **measured_columns(run),
    }
