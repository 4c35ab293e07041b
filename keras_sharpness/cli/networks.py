"""Whether the networks of Keskar et al. can be trained on some data."""

from typing import Any


def check_classes(dataset: Any, network: str) -> None:
    """Refuses what the networks of Keskar et al. cannot be trained on.

    Args:
        dataset: `SampleData`.
        network: Str. The network's name.

    Raises:
        ValueError: If y is no class, or x no floats.
    """
    found = None
    if not hasattr(dataset, "num_classes"):
        y = dataset.y_train
        found = f"targets of dtype {y.dtype}, shape {y.shape}"
    elif dataset.x_train.dtype.kind != "f":
        x = dataset.x_train
        found = f"samples of dtype {x.dtype}, shape {x.shape}"
    if found is not None:
        raise ValueError(
            f"{network.upper()} and the other networks of `compare` tell "
            "classes apart, of samples that are floats or pixels. "
            f"{dataset.name} has {found}. Compare a network and loss of your "
            "own in Python, with `ks.studies.compare(build_model, "
            "ks.data.load_npz(path), ...)`."
        )
