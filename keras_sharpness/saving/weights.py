"""The weights of a model file, looked at without following any link."""

import dataclasses
import io
import math

import h5py
import numpy as np

from keras_sharpness.saving import _texts as texts
from keras_sharpness.saving.archive import WEIGHTS, Archive
from keras_sharpness.saving.limits import Limits

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_LINKS = {
    h5py.h5l.TYPE_SOFT: "is a soft link",
    h5py.h5l.TYPE_EXTERNAL: "is a link to another file",
}
_LAYOUTS = (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
# What h5py raises for damaged files.
_UNREADABLE = (
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
# Keras nests groups as layers are nested.
_DEEPEST = 100
_LONGEST_TEXT = 1 << 16


@dataclasses.dataclass(frozen=True)
class StoredWeight:
    """One array of a model file.

    Attributes:
        path: Str. Place in the file, e.g. `"layers/dense/vars/0"`.
        shape: Tuple of ints.
        item_bytes: Int. Bytes of one number.
        is_finite: Bool.
    """

    path: str
    shape: tuple[int, ...]
    item_bytes: int
    is_finite: bool


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
    """All arrays of a model file, and the layers they belong to."""

    weights: tuple[StoredWeight, ...]
    layers: tuple[StoredLayer, ...]

    @property
    def size(self) -> int:
        """Number of stored numbers, the optimizer's included."""
        return sum(math.prod(w.shape) for w in self.weights)

    @property
    def num_bytes(self) -> int:
        """Bytes of all stored numbers."""
        return sum(math.prod(w.shape) * w.item_bytes for w in self.weights)


def read_weights(archive: Archive, limits: Limits) -> StoredWeights:
    """Lists the arrays of an archive, and refuses what Keras never writes.

    Args:
        archive: `Archive`.
        limits: `Limits`.

    Returns:
        `StoredWeights`.

    Raises:
        ModelFileError: If the weights are no readable HDF5 file.
        UnsafeModelError: If they reach outside of their file, or claim more
            than it holds.
    """
    content = archive.members[WEIGHTS]
    if not content.startswith(_HDF5_MAGIC):
        reason = f"{WEIGHTS} is no HDF5 file"
        raise texts.unreadable(archive.name, reason, archive.size)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _Walk(archive.name, len(content), limits).run(file)
    except _UNREADABLE as error:
        reason = f"{WEIGHTS}: {error}"
        raise texts.unreadable(archive.name, reason, archive.size) from error


class _Walk:
    """One walk over all objects of an HDF5 file."""

    def __init__(self, name: str, size: int, limits: Limits) -> None:
        self._name, self._size, self._limits = name, size, limits
        self._seen: set[int] = set()
        self._bytes = 0
        self._weights: list[StoredWeight] = []
        self._layers: list[StoredLayer] = []

    def run(self, file: h5py.File) -> StoredWeights:
        root = h5py.h5o.get_info(file.id)
        self._seen.add(root.addr)
        stack = [(file.id, "", 0)]
        while stack:
            group, path, depth = stack.pop()
            # Iterated, not listed: the number of names is the file's choice.
            for encoded in group:
                inner = self._visit(group, encoded, path, depth)
                if inner is not None:
                    stack.append(inner)
        weights = sorted(self._weights, key=lambda w: _natural(w.path))
        return StoredWeights(tuple(weights), tuple(self._layers))

    def _visit(
        self, group: h5py.h5g.GroupID, encoded: bytes, path: str, depth: int
    ) -> tuple[h5py.h5g.GroupID, str, int] | None:
        name = encoded.decode("utf-8", "replace")
        path = f"{path}/{name}".removeprefix("/")
        link = group.links.get_info(encoded).type
        if link != h5py.h5l.TYPE_HARD:
            what = _LINKS.get(link, "is a link of an unknown kind")
            raise self._refused(path, what)
        info = h5py.h5o.get_info(group, encoded)
        if info.addr in self._seen:
            raise self._refused(path, "stands at two places")
        self._seen.add(info.addr)
        if len(self._seen) > self._limits.objects:
            what = f"`{WEIGHTS}` has too many parts"
            limit = f"{self._limits.objects:,}"
            raise texts.bomb(self._name, what, limit)
        if info.type == h5py.h5o.TYPE_DATASET:
            self._weights.append(self._weight(group, encoded, path))
            return None
        if info.type != h5py.h5o.TYPE_GROUP:
            raise self._refused(path, "is neither a group nor an array")
        if depth >= _DEEPEST:
            raise self._refused(path, f"is nested deeper than {_DEEPEST}")
        inner = h5py.h5g.open(group, encoded)
        own = self._texts_of(inner, path)
        if name == "vars":
            place = path.removesuffix("vars").removesuffix("/")
            layer = StoredLayer(place, own.get("name", ""), info.addr)
            self._layers.append(layer)
        return inner, path, depth + 1

    def _weight(
        self, group: h5py.h5g.GroupID, encoded: bytes, path: str
    ) -> StoredWeight:
        dataset = h5py.h5d.open(group, encoded)
        # How it was made comes first: to ask for the extent of a virtual one
        # can open the files it is made of.
        made = dataset.get_create_plist()
        if made.get_layout() == h5py.h5d.VIRTUAL:
            raise self._refused(path, "is put together from other files")
        if made.get_external_count():
            raise self._refused(path, "is stored in another file")
        if made.get_nfilters():
            raise self._refused(path, "is stored by way of a filter")
        if made.get_layout() not in _LAYOUTS:
            raise self._refused(path, "is stored in chunks")
        own = self._texts_of(dataset, path)
        kind = dataset.get_type().get_class()
        is_bfloat = (
            kind == h5py.h5t.OPAQUE
            and dataset.get_type().get_size() == 2
            and own.get("dtype") == "bfloat16"
        )
        if not is_bfloat and kind not in (
            h5py.h5t.FLOAT,
            h5py.h5t.INTEGER,
            h5py.h5t.ENUM,
        ):
            raise self._refused(path, "does not hold numbers")
        space = dataset.get_space()
        if space.get_simple_extent_type() == h5py.h5s.NULL:
            raise self._refused(path, "has no extent")
        shape = tuple(space.get_simple_extent_dims())
        size = math.prod(shape) * dataset.get_type().get_size()
        stored = dataset.get_storage_size()
        self._bytes += size
        # Arrays that lie upon each other hold less than they claim, too.
        if size != stored or self._bytes > self._size:
            raise self._refused(
                path,
                f"claims {texts.size_text(size)} and holds "
                f"{texts.size_text(min(stored, self._size))}",
            )
        return StoredWeight(
            path=path,
            shape=shape,
            item_bytes=dataset.get_type().get_size(),
            is_finite=_is_finite(h5py.Dataset(dataset), is_bfloat),
        )

    def _texts_of(
        self, item: h5py.h5g.GroupID | h5py.h5d.DatasetID, path: str
    ) -> dict[str, str]:
        """The attributes, all of which must be short texts."""
        is_group = isinstance(item, h5py.h5g.GroupID)
        high = h5py.Group(item) if is_group else h5py.Dataset(item)
        found = {}
        for index in range(h5py.h5a.get_num_attrs(item)):
            attribute = h5py.h5a.open(item, index=index)
            kind = attribute.get_type()
            if (
                kind.get_class() != h5py.h5t.STRING
                or attribute.get_space().get_simple_extent_npoints() != 1
                or kind.get_size() > _LONGEST_TEXT
                or index > 10
            ):
                raise self._refused(path, "has an attribute that is no text")
            key = attribute.name.decode("utf-8", "replace")
            found[key] = str(high.attrs[key])
        return found

    def _refused(self, path: str, what: str) -> Exception:
        return texts.strange_weights(self._name, path, what)


def _natural(path: str) -> list[tuple[int, str]]:
    """A key by which 10 stands behind 2."""
    return [(len(p) if p.isdigit() else 0, p) for p in path.split("/")]


def _is_finite(dataset: h5py.Dataset, is_bfloat: bool) -> bool:
    if is_bfloat:
        # The exponent of NaN and infinity is all ones.
        bits = np.frombuffer(dataset[()].tobytes(), np.uint16) & 0x7F80
        return not bool((bits == 0x7F80).any())
    if dataset.dtype.kind != "f":
        return True
    return bool(np.isfinite(dataset[()]).all())
