"""Reading what `WeightTrajectory` wrote."""

import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_sharpness import arguments

INDEX = "index.json"
FORMAT = "keras_sharpness weight trajectory"


class Checkpoint(NamedTuple):
    """The weights at one step of a training.

    Attributes:
        step: Int. Updates of the weights before it.
        epoch: Int. Epochs that had been completed.
        weights: Array (P,), the trainable weights.
        state: List of arrays, for `model.non_trainable_variables`.
    """

    step: int
    epoch: int
    weights: np.ndarray
    state: list[np.ndarray]


class SavedTrajectory(Sequence):
    """The checkpoints of a folder that `WeightTrajectory` wrote, in order.

    A sequence of `Checkpoint`, each read from its file when it is asked for:
    no more than one is in memory. The flat vectors are those of
    `ks.Objective`, and the states go into `Objective.evaluate(w, state=…)`.

    Args:
        folder: Path.

    Attributes:
        steps: List of int, updates of the weights before each checkpoint.
        epochs: List of int, epochs that had been completed.
        variables: Tuple of str, the paths of the trainable variables.
        shapes: Tuple of their shapes.

    Raises:
        FileNotFoundError: If the folder has no trajectory.
        ValueError: If its index cannot be read.

    Example:

    ```python
    import tempfile
    import keras
    import numpy as np
    from keras_sharpness.callbacks import SavedTrajectory, WeightTrajectory

    x, y = np.eye(4), np.ones((4, 1))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with tempfile.TemporaryDirectory() as folder:
        trajectory = WeightTrajectory(folder)
        model.fit(x, y, epochs=3, callbacks=[trajectory], verbose=0)
        saved = SavedTrajectory(folder)
        assert saved.steps == [0, 1, 2, 3]
        assert saved[-1].weights.shape == (5,)
    ```
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = arguments.path("folder", folder)
        index = read_index(self.folder)
        if index is None:
            raise FileNotFoundError(
                f"There is no weight trajectory in {self.folder}. Pass the "
                "folder that was given to WeightTrajectory."
            )
        self._entries = index["checkpoints"]
        self.steps = [entry["step"] for entry in self._entries]
        self.epochs = [entry["epoch"] for entry in self._entries]
        self.variables = tuple(index["variables"])
        self.shapes = tuple(tuple(shape) for shape in index["shapes"])

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        entry = self._entries[place]
        return Checkpoint(
            entry["step"],
            entry["epoch"],
            *read_checkpoint(self.folder / entry["file"]),
        )


def read_index(folder: pathlib.Path) -> dict[str, Any] | None:
    """The index of a folder, None where there is none.

    Args:
        folder: Path.

    Returns:
        Dict, or None.

    Raises:
        ValueError: If it is no index of a trajectory.
    """
    path = folder / INDEX
    if not path.is_file():
        return None
    try:
        index = json.loads(path.read_text())
    except ValueError:
        index = None
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise ValueError(
            f"{path} is not the index of a weight trajectory. Pass another "
            "folder."
        )
    return index


def read_checkpoint(
    path: pathlib.Path,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Weights and state of one file.

    Args:
        path: Path.

    Returns:
        Array (P,), and list of arrays.
    """
    # No pickles: the file may come from others.
    with np.load(path, allow_pickle=False) as arrays:
        state = [arrays[f"state_{i}"] for i in range(len(arrays.files) - 1)]
        return arrays["weights"], state
