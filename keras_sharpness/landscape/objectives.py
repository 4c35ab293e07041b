"""One objective, or several by name, that are measured at the same points."""

from collections.abc import Mapping

from keras_sharpness import arguments
from keras_sharpness.landscape.data_names import ONLY_NAME
from keras_sharpness.metrics import Objective

Objectives = Objective | Mapping[str, Objective]


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
