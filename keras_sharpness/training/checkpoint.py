"""A training on disk: one file, from which it goes on bit for bit."""

import dataclasses
import io
import json
import os
import pathlib
import struct
import time
import zipfile
import zlib
from typing import Any

import numpy as np

from keras_sharpness.files import write_atomically
from keras_sharpness.fingerprint.descriptions import differences
from keras_sharpness.training.history import StopReason
from keras_sharpness.training.state import TrainingState

_FORMAT = "keras_sharpness training checkpoint 1"
_DAMAGED = (
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class CheckpointError(ValueError):
    """The file is no checkpoint of this training, or is damaged."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A training as it stood at the end of an epoch.

    Attributes:
        settings: Dict. What the training is determined by.
        rows: List of dicts, one per epoch done.
        num_updates: Int. Updates made.
        seconds: Float. Wall-clock time spent.
        stop_reason: Str, or None while there is more to train.
        finished: Bool. Whether the callbacks have had their last word, too.
        state: `TrainingState` of arrays.
        callbacks: List of dicts, the memory of the callbacks.
    """

    settings: dict[str, Any]
    rows: list[dict[str, float]]
    num_updates: int
    seconds: float
    stop_reason: StopReason | None
    finished: bool
    state: TrainingState
    callbacks: list[dict[str, Any]]

    def save(self, path: str | os.PathLike) -> None:
        """Writes one `.npz` file without pickles, old file or new on a kill.

        Args:
            path: Path of the file.
        """
        arrays: list[np.ndarray] = []
        state = self.state.to_numpy()
        header = {
            "format": _FORMAT,
            "settings": self.settings,
            "rows": self.rows,
            "num_updates": self.num_updates,
            "seconds": self.seconds,
            "stop_reason": self.stop_reason,
            "finished": self.finished,
            "model": _packed(list(state.model), arrays),
            "optimizer": _packed(list(state.optimizer), arrays),
            "callbacks": _packed(self.callbacks, arrays),
        }
        if state.others:
            header["others"] = _packed(list(state.others), arrays)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            header=np.array(json.dumps(header)),
            # Bytes carry dtypes that the format does not know, bfloat16.
            **{str(i): _bytes_of(array) for i, array in enumerate(arrays)},
        )
        write_atomically(path, buffer)

    @classmethod
    def load(
        cls, path: str | os.PathLike, settings: dict[str, Any]
    ) -> "Checkpoint | None":
        """Reads the checkpoint of the training with these settings.

        Args:
            path: Path of the file.
            settings: Dict. What the present training is determined by.

        Returns:
            A `Checkpoint`, or None if there is no such file.

        Raises:
            CheckpointError: If the file is damaged or no checkpoint, or if it
                is one of another training; the message says where the
                settings differ.
        """
        if not pathlib.Path(path).exists():
            return None
        try:
            checkpoint = _read(path)
        except _DAMAGED as error:
            raise CheckpointError(
                f"{path} is damaged or no checkpoint of a training "
                f"({type(error).__name__}: {error}). Delete it, or pass "
                "another `checkpoint`."
            ) from error
        # As JSON gives them back: lists for tuples, text for keys.
        present = json.loads(json.dumps(settings))
        changed = differences(checkpoint.settings, present)
        if changed:
            raise CheckpointError(
                f"{path} is the checkpoint of another training. Different: "
                f"{'; '.join(changed)}. Repeat the settings, delete the file, "
                "or pass another `checkpoint`."
            )
        return checkpoint


class CheckpointWriter:
    """Writes the newest checkpoint, but not too often.

    Args:
        path: Path of the file, or None for no file.
        seconds: Float. The least time between two writes.
    """

    def __init__(self, path: str | os.PathLike | None, seconds: float):
        self._path = path
        self._seconds = seconds
        self._written_at = time.monotonic()
        self._pending: Checkpoint | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is a file to write."""
        return self._path is not None

    def offer(self, checkpoint: Checkpoint) -> None:
        """Takes a newer checkpoint, and writes it if it is time to.

        Args:
            checkpoint: The newest `Checkpoint`.
        """
        self._pending = checkpoint
        if time.monotonic() - self._written_at >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Writes the newest checkpoint unless the file holds it."""
        if self._pending is not None and self._path is not None:
            self._pending.save(self._path)
            self._written_at = time.monotonic()
        self._pending = None


def _read(path: str | os.PathLike) -> Checkpoint:
    # Read whole: NumPy would leave the file open when it finds no archive.
    content = io.BytesIO(pathlib.Path(path).read_bytes())
    if not zipfile.is_zipfile(content):
        raise ValueError("not an .npz file")
    content.seek(0)
    with np.load(content, allow_pickle=False) as file:
        header = json.loads(file["header"].item())
        if header["format"] != _FORMAT:
            raise ValueError(f"format {header['format']!r}")
        num_arrays = len(file.files) - 1
        arrays = [file[str(i)] for i in range(num_arrays)]
    model, optimizer, callbacks, others = (
        _unpacked(value, arrays)
        for value in (
            *(header[name] for name in ("model", "optimizer", "callbacks")),
            header.get("others", []),
        )
    )
    return Checkpoint(
        settings=header["settings"],
        rows=header["rows"],
        num_updates=header["num_updates"],
        seconds=header["seconds"],
        stop_reason=header["stop_reason"],
        finished=header["finished"],
        state=TrainingState(tuple(model), tuple(optimizer), tuple(others)),
        callbacks=callbacks,
    )


def _bytes_of(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """`value` for JSON; its arrays are appended to `arrays`."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {
            "array": len(arrays) - 1,
            "dtype": value.dtype.name,
            "shape": list(value.shape),
        }
    if isinstance(value, list):
        return [_packed(item, arrays) for item in value]
    if isinstance(value, dict):
        return {key: _packed(item, arrays) for key, item in value.items()}
    return value


def _unpacked(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"array", "dtype", "shape"}:
            flat = arrays[value["array"]].view(np.dtype(value["dtype"]))
            return flat.reshape(value["shape"])
        return {key: _unpacked(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpacked(item, arrays) for item in value]
    return value
