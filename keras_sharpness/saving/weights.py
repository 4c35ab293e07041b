"""The weights of a model file, read without HDF5 in this process."""

import dataclasses
import io
import json
import math
import os
import subprocess
import sys
from typing import Any

import h5py
import numpy as np

from keras_sharpness.saving import errors
from keras_sharpness.saving.archive import WEIGHTS
from keras_sharpness.saving.limits import Limits

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
# Other processes may take their turns, too.
_WAITING = 6


@dataclasses.dataclass(frozen=True)
class StoredWeight:
    """One array of a model file.

    Attributes:
        path: Str. Place in the file, e.g. `"layers/dense/vars/0"`.
        shape: Tuple of ints.
        dtype: Str. NumPy's name of its type; `"|V2"` is bfloat16.
        offset: Int. Where its numbers begin, in bytes.
        texts: Dict of what Keras wrote about it.
        is_finite: Bool.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    offset: int
    texts: dict[str, str]
    is_finite: bool

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """How many bytes they take."""
        return self.size * np.dtype(self.dtype).itemsize


@dataclasses.dataclass(frozen=True)
class StoredGroup:
    """One group of a model file.

    Attributes:
        path: Str. Place in the file, e.g. `"layers/dense/vars"`.
        address: Int. Layers that were saved earlier have smaller ones.
        texts: Dict of what Keras wrote about it.
    """

    path: str
    address: int
    texts: dict[str, str]


@dataclasses.dataclass(frozen=True)
class StoredLayer:
    """One group that Keras wrote for a layer.

    Attributes:
        path: Str. Place in the file, e.g. `"layers/dense"`.
        name: Str. What the layer was called.
        address: Int. Layers that were saved earlier have smaller ones.
    """

    path: str
    name: str
    address: int


@dataclasses.dataclass(frozen=True)
class StoredWeights:
    """All arrays of a model file, and the groups that they stand in."""

    weights: tuple[StoredWeight, ...]
    groups: tuple[StoredGroup, ...]

    @property
    def layers(self) -> tuple[StoredLayer, ...]:
        """The layers that the groups belong to."""
        return tuple(
            StoredLayer(
                group.path.removesuffix("vars").removesuffix("/"),
                group.texts.get("name", ""),
                group.address,
            )
            for group in self.groups
            if group.path.rpartition("/")[2] == "vars"
        )

    @property
    def size(self) -> int:
        """Number of stored numbers, the optimizer's included."""
        return sum(weight.size for weight in self.weights)

    @property
    def num_bytes(self) -> int:
        """Bytes of all stored numbers."""
        return sum(weight.num_bytes for weight in self.weights)


def read_weights(content: bytes, name: str, limits: Limits) -> StoredWeights:
    """Lists the arrays of a file, and refuses what Keras never writes.

    Args:
        content: Bytes of an HDF5 file that Keras wrote.
        name: Str. What messages call the model file.
        limits: `Limits`.

    Returns:
        `StoredWeights`.

    Raises:
        ModelFileError: If the weights are no readable HDF5 file, or to look
            through them takes too long.
        UnsafeModelError: If they reach outside of their file, or claim more
            than it holds.
    """
    if not content.startswith(_HDF5_MAGIC):
        reason = f"{WEIGHTS} is no HDF5 file"
        raise errors.unreadable(name, reason, len(content))
    found = _listed(content, name, limits)
    if "refused" in found:
        path, what, *sizes = found["refused"]
        if sizes:
            claimed, held = map(errors.size_text, sizes)
            what = f"claims {claimed} and holds {held}"
        raise errors.strange_weights(name, path, what)
    if "too_many" in found:
        what, limit = f"`{WEIGHTS}` has too many parts", f"{limits.objects:,}"
        raise errors.bomb(name, what, limit)
    if "unreadable" in found:
        reason = f"{WEIGHTS}: {found['unreadable']}"
        raise errors.unreadable(name, reason, len(content))
    weights = [
        StoredWeight(
            **{**array, "shape": tuple(array["shape"])},
            is_finite=_is_finite(_numbers(content, array)),
        )
        for array in found["arrays"]
    ]
    weights.sort(key=lambda weight: _natural(weight.path))
    groups = tuple(StoredGroup(*group) for group in found["groups"])
    return StoredWeights(tuple(weights), groups)


def written_anew(stored: StoredWeights, content: bytes) -> bytes:
    """The same arrays in an HDF5 file of our own.

    What Keras reads with HDF5 in this process was so written here, and none
    of the structure comes from elsewhere.

    Args:
        stored: `StoredWeights` of the content.
        content: Bytes of the file that was read.

    Returns:
        Bytes of an HDF5 file.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for group in stored.groups:
            file.require_group(group.path).attrs.update(group.texts)
        for weight in stored.weights:
            values = _numbers(content, dataclasses.asdict(weight))
            file[weight.path] = values
            file[weight.path].attrs.update(weight.texts)
    return buffer.getvalue()


def _listed(content: bytes, name: str, limits: Limits) -> dict[str, Any]:
    """What a process of its own finds in the file."""
    arguments = [len(content), limits.objects, limits.seconds]
    command = [
        sys.executable,
        # Not from the folder it is started in, which may be a stranger's.
        "-P",
        "-m",
        "keras_sharpness.saving.stored_arrays",
        *map(str, arguments),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        # No libraries from elsewhere, and no threads for a walk.
        "HDF5_PLUGIN_PRELOAD": "::",
        "OPENBLAS_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(
            command,
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=_WAITING * limits.seconds,
            check=False,
        )
        return json.loads(done.stdout)
    except OSError as error:
        raise errors.no_process(name, str(error.strerror)) from error
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise errors.no_answer(name, WEIGHTS, limits.seconds) from error


def _numbers(content: bytes, array: dict[str, Any]) -> np.ndarray:
    shape, dtype = tuple(array["shape"]), np.dtype(array["dtype"])
    count = math.prod(shape)
    # A byte may hold more than the two values of a boolean.
    kind = np.dtype("uint8") if dtype.kind == "b" else dtype
    offset = array["offset"] if count else 0
    values = np.frombuffer(content, kind, count, offset).reshape(shape)
    return values != 0 if dtype.kind == "b" else values


def _natural(path: str) -> list[tuple[int, str]]:
    """A key by which 10 stands behind 2."""
    return [(len(p) if p.isdigit() else 0, p) for p in path.split("/")]


def _is_finite(values: np.ndarray) -> bool:
    if values.dtype.kind == "V":
        # The exponent of NaN and infinity is all ones.
        bits = values.view(np.uint16) & 0x7F80
        return not bool((bits == 0x7F80).any())
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())
