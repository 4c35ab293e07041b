"""A trained model and what was measured of it, as a folder on disk."""

import contextlib
import json
import math
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from keras_sharpness.files import replaced_atomically
from keras_sharpness.results import Result
from keras_sharpness.runs.checks import check_result
from keras_sharpness.runs.errors import RunFolderError, as_folder_error
from keras_sharpness.runs.measurement import damaged, decoded
from keras_sharpness.runs.recorded_folder import RecordedFolder

if TYPE_CHECKING:
    # Whoever reads numbers from a folder needs no Keras.
    import keras

_HISTORY, _MODEL = "history.json", "model.keras"


class RunFolder(RecordedFolder):
    """A trained model and what was measured of it, as a folder on disk.

    | file | content |
    | --- | --- |
    | `run.json` | format, date, versions, and the settings of the run |
    | `initial.weights.h5` | the weights before the training |
    | `training.checkpoint` | the training, for `train(checkpoint=...)` |
    | `model.keras` | the model after the training |
    | `history.json` | the history of the training |
    | `measurements/<name>.json` | a result with the settings asked for |

    A process that is killed at any moment leaves each file as it was or as it
    was to be, never half-written. One process at a time writes to a run
    (not enforced on Windows); any number read.

    Example:

    ```python
    import pathlib
    import tempfile

    import keras
    import numpy as np
    import keras_sharpness as ks
    from keras_sharpness.runs import RunFolder

    path = pathlib.Path(tempfile.mkdtemp(), "study", "linear-256")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    objective = ks.Objective(model, np.eye(3), np.ones((3, 1)), loss="mse")
    asked = {"epsilon": 1e-3, "seed": 0}
    with RunFolder.create_or_open(path, {"batch_size": 256}) as run:
        run.save_initial(model)
        if not run.has("epsilon_sharpness-1e-3", asked):
            result = ks.epsilon_sharpness(objective, **asked)
            run.write("epsilon_sharpness-1e-3", result, asked)

    run = RunFolder.open(path)
    assert run.settings == {"batch_size": 256}
    assert run.read("epsilon_sharpness-1e-3").value == result.value
    ```
    """

    _noun = "run"
    _file = "run.json"
    _measurements = "measurements"
    _is_exclusive = True

    @property
    def is_finished(self) -> bool:
        """Whether the trained model and its history are there."""
        names = (_MODEL, _HISTORY)
        return all((self.path / name).is_file() for name in names)

    @property
    def checkpoint_path(self) -> pathlib.Path:
        """Path for `keras_sharpness.training.train(checkpoint=...)`."""
        return self.path / "training.checkpoint"

    @property
    def initial_weights_path(self) -> pathlib.Path:
        """Path that `save_initial` writes to.

        For `load_weights` of a new model, one that was not trained before.
        """
        return self.path / "initial.weights.h5"

    @property
    def model_path(self) -> pathlib.Path:
        """Path that `save_model` writes to."""
        return self.path / _MODEL

    def save_initial(self, model: "keras.Model") -> None:
        """Saves the weights before the training.

        Args:
            model: `keras.Model`, built.

        Raises:
            RunFolderError: If the folder is open for reading only, or cannot
                be written to.
        """
        with self._written(self.initial_weights_path) as temporary:
            # HDF5 takes the whole process down when a disk becomes full.
            temporary.write_bytes(bytes(_most_bytes(model)))
            temporary.unlink()
            model.save_weights(temporary)

    def save_model(self, model: "keras.Model") -> None:
        """Saves the model after the training, its compilation included.

        Args:
            model: `keras.Model`.

        Raises:
            RunFolderError: If the folder is open for reading only, or cannot
                be written to.
        """
        with self._written(self.model_path) as temporary:
            model.save(temporary)

    def load_model(
        self, *, custom_objects: dict[str, Any] | None = None
    ) -> "keras.Model":
        """Loads the model after the training, compiled as it was saved.

        Args:
            custom_objects: Dict from names to the classes and functions of
                your own that the model uses.

        Returns:
            The `keras.Model`.

        Raises:
            RunFolderError: If the run has no model yet.
            ModelFileError: If the file cannot be read as a model.
        """
        self._check_there(self.model_path)
        from keras_sharpness.saving import load_model

        return load_model(
            self.model_path, custom_objects=custom_objects, compile=True
        )

    def save_history(self, history: Result) -> None:
        """Saves the history of the training.

        Args:
            history: `Result`, e.g. the `TrainingHistory` of `train`.

        Raises:
            RunFolderError: If the folder is open for reading only, or cannot
                be written to.
        """
        check_result(history)
        self._check_writable()
        path = self.path / _HISTORY
        with as_folder_error(path, "written"):
            history.save(path)

    def history(self, kind: type[Result] = Result) -> Result:
        """The history of the training; the module of its class is imported.

        Args:
            kind: Class that it must be of.

        Returns:
            The `Result` that was saved.

        Raises:
            RunFolderError: If the run has no history yet, or it is damaged or
                of another kind.
        """
        path = self._check_there(self.path / _HISTORY)
        try:
            with as_folder_error(path, "read"):
                return kind.load(path)
        except ValueError as error:
            raise damaged(path, error) from error

    def history_values(self) -> dict[str, Any]:
        """The history as a dict of NumPy values, without any import.

        Returns:
            Dict with the attributes of the result, and its `"kind"`.

        Raises:
            RunFolderError: If the run has no history yet, or it is damaged.
        """
        path = self._check_there(self.path / _HISTORY)
        with as_folder_error(path, "read"):
            content = path.read_bytes()
        try:
            values = dict(json.loads(content))
        except (TypeError, ValueError, RecursionError) as error:
            raise damaged(path, error) from error
        return decoded(values, path)

    @contextlib.contextmanager
    def _written(self, path: pathlib.Path) -> Iterator[pathlib.Path]:
        self._check_writable()
        with (
            as_folder_error(path, "written"),
            replaced_atomically(path) as temporary,
        ):
            yield temporary

    def _check_there(self, path: pathlib.Path) -> pathlib.Path:
        if not path.is_file():
            raise RunFolderError(
                f"{self.path} holds no {path.name}: the run is not finished. "
                "Repeat what made it, and it goes on where it stopped."
            )
        return path


def _most_bytes(model: "keras.Model") -> int:
    """What the file of a model's weights takes at the most."""
    optimizer = getattr(model, "optimizer", None)
    state = optimizer.variables if optimizer is not None else ()
    numbers = sum(math.prod(v.shape) for v in (*model.variables, *state))
    # Eight bytes are the widest number; the rest is for HDF5's own structure.
    return 8 * numbers + (1 << 20)
