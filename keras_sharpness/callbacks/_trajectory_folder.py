"""The folder of a weight trajectory: what to keep, and how it is written."""

import json
import os
import pathlib
import re
from typing import Any

import keras
import numpy as np

from keras_sharpness.callbacks.saved_trajectory import (
    FORMAT,
    INDEX,
    read_checkpoint,
    read_index,
)
from keras_sharpness.files import (
    TEMPORARY_PREFIX,
    check_folder,
    replaced_atomically,
    write_atomically,
)
from keras_sharpness.fingerprint.descriptions import describe_model, differences
from keras_sharpness.metrics.weights import WeightLayout

_FILE = re.compile(r"checkpoint-\d{8,}\.npz", re.ASCII)


class TrajectoryFolder:
    """Checkpoints of a model, evenly spaced and bounded in number.

    Each is written at an occasion, numbered from 0. Those whose number is a
    multiple of the interval are kept, and the latest.

    Args:
        folder: Path.
        model: Built `keras.Model`.
        max_checkpoints: Int.

    Raises:
        ValueError: If there are files of others in the folder.
        OSError: If it cannot be made, or written to.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        model: keras.Model,
        max_checkpoints: int,
    ):
        self._folder = check_folder(folder, "folder")
        self._model = model
        self._layout = WeightLayout(model)
        self._network = describe_model(model)
        self._max_checkpoints = max_checkpoints
        self._interval = 1
        self._entries: list[dict[str, Any]] = []
        self._check_content()

    @property
    def has_begun(self) -> bool:
        """Whether there is a checkpoint of this training."""
        return bool(self._entries)

    @property
    def first_step(self) -> int:
        """The step of the first checkpoint, once it has begun."""
        return self._entries[0]["step"]

    @property
    def last_step(self) -> int:
        """The step of the latest checkpoint, once it has begun."""
        return self._entries[-1]["step"]

    def go_on(
        self, step: int, epoch: int, *, interval: int, overwrite: bool
    ) -> None:
        """Begins, or goes on where an earlier training stopped.

        Args:
            step: Int. Updates of the weights so far.
            epoch: Int. Epochs that have been completed.
            interval: Int. Updates from one checkpoint to the next. Where fewer
                have passed since the latest one, there is none to be written.
            overwrite: Bool. Whether to replace another training.

        Raises:
            ValueError: If another training is in the folder.
        """
        index = read_index(self._folder)
        if index is not None:
            reason = self._why_not(index, step)
            if reason and not overwrite:
                raise ValueError(
                    f"{self._folder} holds the trajectory of another "
                    f"training: {reason}. Pass another folder, or "
                    "`overwrite=True` to replace it."
                )
            if not reason:
                self._interval = index["interval"]
                self._entries = [
                    entry
                    for entry in index["checkpoints"]
                    if entry["step"] <= step
                ]
        else:
            # Before the first checkpoint, so that none is ever without.
            self._write_index()
        if not self._entries:
            self.write(step, epoch, 0)
        elif step - self.last_step >= interval:
            self.write(step, epoch)
        else:
            self._write_index()
        self._remove_others()

    def write(self, step: int, epoch: int, occasion: int | None = None) -> None:
        """Writes the weights as they are now, and deletes what is too much.

        Args:
            step: Int. Updates of the weights so far.
            epoch: Int. Epochs that have been completed.
            occasion: Int. One more than the last when left out.
        """
        if occasion is None:
            occasion = self._entries[-1]["occasion"] + 1
        name = f"checkpoint-{occasion:08d}.npz"
        weights = self._layout.read().astype(self._layout.dtype)
        state = {
            f"state_{i}": _array(variable)
            for i, variable in enumerate(self._model.non_trainable_variables)
        }
        with replaced_atomically(self._folder / name) as path:
            np.savez(path, weights=weights, **state)
        entry = {
            "step": step,
            "epoch": epoch,
            "occasion": occasion,
            "file": name,
        }
        entries = [
            *(e for e in self._entries if e["occasion"] < occasion),
            entry,
        ]
        while True:
            kept = [
                entry
                for entry in entries
                if entry is entries[-1]
                or entry["occasion"] % self._interval == 0
            ]
            if len(kept) <= self._max_checkpoints:
                break
            self._interval *= 2
        dropped = [entry for entry in self._entries if entry not in kept]
        self._entries = kept
        # First the index without them: a reader finds all that it names.
        self._write_index()
        for entry in dropped:
            if entry["file"] != name:
                (self._folder / entry["file"]).unlink(missing_ok=True)

    def _why_not(self, index: dict[str, Any], step: int) -> str:
        """Why this training does not go on with that trajectory, or ""."""
        # Not their names: Keras numbers the layers of a process.
        if (
            index["shapes"] != [list(shape) for shape in self._layout.shapes]
            or index["dtype"] != self._layout.dtype
        ):
            return "its weights are others"
        # Folders of earlier versions do not tell their network.
        if "network" in index and differences(index["network"], self._network):
            return "its network is another, of the same shapes"
        entries = index["checkpoints"]
        if step == 0 and len(entries) > 1:
            return "it has begun, and this one starts anew"
        for entry in entries:
            if entry["step"] == step:
                then, _ = read_checkpoint(self._folder / entry["file"])
                if not np.array_equal(then, self._layout.read()):
                    return f"at step {step} it was elsewhere"
        return ""

    def _write_index(self) -> None:
        index = {
            "format": FORMAT,
            "version": 1,
            "model": self._model.name,
            "variables": list(self._layout.paths),
            "shapes": [list(shape) for shape in self._layout.shapes],
            "dtype": self._layout.dtype,
            "network": self._network,
            "interval": self._interval,
            "checkpoints": self._entries,
        }
        write_atomically(
            self._folder / INDEX, json.dumps(index, indent=1).encode()
        )

    def _check_content(self) -> None:
        foreign = [
            path.name for path in self._content() if not _is_own(path.name)
        ]
        if foreign:
            raise ValueError(
                f"{self._folder} holds other files than a weight trajectory: "
                f"{', '.join(sorted(foreign)[:5])}. Pass an empty folder, or "
                "a new one."
            )
        read_index(self._folder)

    def _remove_others(self) -> None:
        """Removes checkpoints that the index does not name."""
        named = {INDEX, *(entry["file"] for entry in self._entries)}
        for path in self._content():
            if path.name not in named and _is_own(path.name):
                path.unlink()

    def _content(self) -> list[pathlib.Path]:
        return list(self._folder.iterdir())


def _is_own(name: str) -> bool:
    own = name.removeprefix(TEMPORARY_PREFIX)
    if own != name:
        own = own.partition("-")[2]
    return own == INDEX or bool(_FILE.fullmatch(own))


def _array(variable: keras.Variable) -> np.ndarray:
    tensor = keras.ops.convert_to_tensor(variable)
    if str(variable.dtype) == "bfloat16":
        # NumPy's files know no bfloat16; float32 holds it exactly.
        tensor = keras.ops.cast(tensor, "float32")
    return keras.ops.convert_to_numpy(tensor)
