"""What is measured at every point, and until when."""

import threading
from collections.abc import Callable, Mapping

from keras_sharpness import arguments
from keras_sharpness.landscape.results import ONLY_NAME
from keras_sharpness.metrics import Objective

Objectives = Objective | Mapping[str, Objective]
# Looked at before every evaluation; true or set, and no more are begun.
StopOption = threading.Event | Callable[[], bool] | None


def as_objectives(objective: Objectives) -> dict[str, Objective]:
    """An objective, or a mapping of them, as a dict whose items fit together.

    Args:
        objective: `Objective`, or a dict of them, e.g. `{"train": …,
            "test": …}`.

    Returns:
        Dict from a name to an `Objective`, not empty.

    Raises:
        ValueError: If it is empty, holds something else, or objectives of
            different architectures or batch-norm modes.
    """
    objectives = (
        dict(objective)
        if isinstance(objective, Mapping)
        else {ONLY_NAME: objective}
    )
    if not objectives:
        raise ValueError(
            "`objective` is empty. Pass an Objective or {'train': …, 'test': …}"
        )
    first = next(iter(objectives.values()))
    for name, other in objectives.items():
        arguments.instance(
            "objective",
            other,
            Objective,
            "an Objective, or a dict of them",
            "Build one with ks.Objective(model, x, y).",
        )
        if other.layout.shapes != first.layout.shapes or (
            other.batch_norm != first.batch_norm
        ):
            raise ValueError(
                f"Objective {name!r} has another architecture or batch-norm "
                "mode than the first. Build both from one model with one "
                "`batch_norm`."
            )
    return objectives


def stop_function(stop: StopOption) -> Callable[[], bool]:
    """`stop` as a function that says whether to stop.

    Args:
        stop: `threading.Event`, callable without arguments, or None.

    Returns:
        Callable.

    Raises:
        ValueError: If it is none of these.
    """
    if stop is None:
        return lambda: False
    if isinstance(stop, threading.Event):
        return stop.is_set
    return arguments.function(
        "stop", stop, "without arguments, or a threading.Event"
    )
