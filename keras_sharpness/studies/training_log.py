"""What one training of a study was: its settings, ends and surroundings."""

import dataclasses
import platform
from collections.abc import Mapping
from typing import Any

import keras

from keras_sharpness.results import Result
from keras_sharpness.studies.descriptions import described, described_training
from keras_sharpness.studies.measurement import is_regularized
from keras_sharpness.studies.member import Member
from keras_sharpness.training import TrainingHistory
from keras_sharpness.training.backend.devices import device_kind, num_threads

# By which a training has reached what it was to reach; None where there was
# nothing to reach but the end of the epochs.
_REACHED = {"stop_loss": "loss", "patience": "patience"}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainingLog(Result):
    """What one training of a study was: its settings, ends and surroundings.

    Versions and date stand beside it in its file, losses and accuracies in
    the history and the evaluation.

    Attributes:
        seeds: Dict of the seeds of the initial weights, of the order of
            samples, and of the augmentation and dropout.
        batch_size: Int, or the description of a schedule.
        micro_batch_size: Int. Samples that batch normalisation sees, or None
            for the whole batch.
        optimizer: Dict. Class and configuration at the start.
        weight_decay: Str. Where it sits: `"optimizer"`, `"loss"`, both joined
            by `" and "`, or `"none"`.
        training: Dict. All options of `ks.train`.
        learning_rate: Float. At the last update.
        num_updates: Int.
        num_epochs: Int. The last one may be a part.
        stop_reason: Str, as in `TrainingHistory`.
        converged: Bool. Whether it ended because it reached what it was to
            reach, or None where there was nothing but an end of the epochs.
        seconds: Float. Wall-clock time of the training.
        device: Str, e.g. `"CPU"` or `"GPU: NVIDIA H200"`.
        num_threads: Int. Threads within one operation.
        machine: Str. Processor architecture and system.
    """

    seeds: dict[str, int]
    batch_size: Any
    micro_batch_size: int | None
    optimizer: dict[str, Any]
    weight_decay: str
    training: dict[str, Any]
    learning_rate: float
    num_updates: int
    num_epochs: int
    stop_reason: str
    converged: bool | None
    seconds: float
    device: str
    num_threads: int
    machine: str


def log_of(
    model: keras.Model,
    member: Member,
    training: Mapping[str, Any],
    history: TrainingHistory,
) -> TrainingLog:
    """The log of a training that has ended.

    Args:
        model: `keras.Model`, as the training left it.
        member: The `Member`.
        training: Dict. All options of `ks.train` but what the member gives.
        history: The `TrainingHistory`.

    Returns:
        A `TrainingLog`.
    """
    seed = member.seed
    return TrainingLog(
        seeds={"weights": seed, "order": seed, "augmentation": seed},
        batch_size=described(member.batch_size),
        micro_batch_size=training.get("micro_batch_size"),
        optimizer=history.optimizer,
        weight_decay=_weight_decay(model),
        training=described_training(training),
        learning_rate=float(history.learning_rate[-1]),
        num_updates=history.num_updates,
        num_epochs=len(history.epoch),
        stop_reason=history.stop_reason,
        converged=_converged(training, history.stop_reason),
        seconds=history.total_seconds,
        device=device_kind(),
        num_threads=num_threads(),
        machine=f"{platform.machine()}, {platform.system()}",
    )


def _converged(training: Mapping[str, Any], reason: str) -> bool | None:
    asked = [
        wanted
        for option, wanted in _REACHED.items()
        if training.get(option) is not None
    ]
    return reason in asked if asked else None


def _weight_decay(model: keras.Model) -> str:
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    places = {
        "optimizer": bool(getattr(optimizer, "weight_decay", None)),
        "loss": is_regularized(model),
    }
    return " and ".join(p for p, is_there in places.items() if is_there) or (
        "none"
    )
