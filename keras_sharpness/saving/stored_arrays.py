"""Lists what an HDF5 file holds, in a process that can be stopped.

HDF5 follows whatever a damaged file tells it, without end and while it holds
a lock that stops every other thread. So the file is looked through by
`python -m keras_sharpness.saving.stored_arrays LIMITS`, which takes it from
its standard input and answers with JSON: where each array lies, and of which
kind and shape it is. Nothing here needs Keras.
"""

import contextlib
import io
import json
import math
import sys
from typing import Any

import h5py
import numpy as np

# What h5py raises for damaged files.
_UNREADABLE = (
    EOFError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)
_LINKS = {
    h5py.h5l.TYPE_SOFT: "is a soft link",
    h5py.h5l.TYPE_EXTERNAL: "is a link to another file",
}
# Keras nests groups as layers are nested.
_DEEPEST = 100
_LONGEST_TEXT = 1 << 16
# Paths repeat the names above them, so that they are counted together.
_MOST_CHARACTERS = 1 << 24


class _RefusedError(Exception):
    """Somebody made the file who wants more than to store weights."""


class _TooManyError(Exception):
    """The file has more parts than may be listed."""


def listing(content: bytes, objects: int) -> dict[str, Any]:
    """What lies in an HDF5 file, or why it should not be read.

    Args:
        content: Bytes of the file.
        objects: Int. How many groups and arrays it may have.

    Returns:
        Dict with `groups` (lists of path, address and texts) and `arrays`
        (dicts of path, shape, dtype, offset and texts), or with one of
        `refused` (path and reason), `too_many` and `unreadable` (reason).
    """
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _Walk(len(content), objects).run(file)
    except _RefusedError as error:
        return {"refused": list(error.args)}
    except _TooManyError:
        return {"too_many": True}
    except _UNREADABLE as error:
        return {"unreadable": str(error) or type(error).__name__}


class _Walk:
    """One walk over all objects of an HDF5 file."""

    def __init__(self, size: int, objects: int) -> None:
        self._size, self._objects = size, objects
        self._seen: set[int] = set()
        self._bytes = self._characters = 0
        self._groups: list[list[Any]] = []
        self._arrays: list[dict[str, Any]] = []

    def run(self, file: h5py.File) -> dict[str, Any]:
        if file.userblock_size:
            raise _RefusedError("/", "stands behind something else")
        self._seen.add(h5py.h5o.get_info(file.id).addr)
        stack = [(file.id, "", 0)]
        while stack:
            group, path, depth = stack.pop()
            # Iterated, not listed: the number of names is the file's choice.
            for encoded in group:
                inner = self._visit(group, encoded, path, depth)
                if inner is not None:
                    stack.append(inner)
        return {"groups": self._groups, "arrays": self._arrays}

    def _visit(
        self, group: h5py.h5g.GroupID, encoded: bytes, path: str, depth: int
    ) -> tuple[h5py.h5g.GroupID, str, int] | None:
        name = encoded.decode("utf-8")
        path = f"{path}/{name}".removeprefix("/")
        if name in ("", ".", "..") or "/" in name:
            raise _RefusedError(path, "has a name that leads elsewhere")
        link = group.links.get_info(encoded).type
        if link != h5py.h5l.TYPE_HARD:
            what = _LINKS.get(link, "is a link of an unknown kind")
            raise _RefusedError(path, what)
        info = h5py.h5o.get_info(group, encoded)
        if info.addr in self._seen:
            raise _RefusedError(path, "stands at two places")
        self._seen.add(info.addr)
        self._characters += len(path)
        if (
            len(self._seen) > self._objects
            or self._characters > _MOST_CHARACTERS
        ):
            raise _TooManyError
        if info.type == h5py.h5o.TYPE_DATASET:
            self._arrays.append(self._array(group, encoded, path))
            return None
        if info.type != h5py.h5o.TYPE_GROUP:
            raise _RefusedError(path, "is neither a group nor an array")
        if depth >= _DEEPEST:
            raise _RefusedError(path, f"is nested deeper than {_DEEPEST}")
        inner = h5py.h5g.open(group, encoded)
        texts = self._texts_of(h5py.Group(inner), path)
        self._groups.append([path, info.addr, texts])
        return inner, path, depth + 1

    def _array(
        self, group: h5py.h5g.GroupID, encoded: bytes, path: str
    ) -> dict[str, Any]:
        dataset = h5py.h5d.open(group, encoded)
        # How it was made comes first: to ask for the extent of a virtual one
        # can open the files it is made of.
        made = dataset.get_create_plist()
        if made.get_layout() == h5py.h5d.VIRTUAL:
            raise _RefusedError(path, "is put together from other files")
        if made.get_external_count():
            raise _RefusedError(path, "is stored in another file")
        if made.get_nfilters():
            raise _RefusedError(path, "is stored by way of a filter")
        if made.get_layout() == h5py.h5d.CHUNKED:
            raise _RefusedError(path, "is stored in chunks")
        if made.get_layout() != h5py.h5d.CONTIGUOUS:
            raise _RefusedError(path, "is not stored as Keras does")
        high = h5py.Dataset(dataset)
        texts = self._texts_of(high, path)
        dtype = _dtype(dataset.get_type(), texts.get("dtype"))
        if dtype is None:
            raise _RefusedError(path, "does not hold numbers")
        space = dataset.get_space()
        if space.get_simple_extent_type() == h5py.h5s.NULL:
            raise _RefusedError(path, "has no extent")
        shape = tuple(space.get_simple_extent_dims())
        size = math.prod(shape) * np.dtype(dtype).itemsize
        stored = dataset.get_storage_size()
        # An array of nothing lies nowhere.
        offset = dataset.get_offset() if size else 0
        self._bytes += size
        # Arrays that lie upon each other hold less than they claim, too.
        if size != stored or self._bytes > self._size or offset is None:
            claims = [path, "claims", size, min(stored, self._size)]
            raise _RefusedError(*claims)
        if offset + size > self._size:
            raise _RefusedError(path, "lies outside of its file")
        return {
            "path": path,
            "shape": shape,
            "dtype": dtype,
            "offset": offset,
            "texts": texts,
        }

    def _texts_of(
        self, item: h5py.Group | h5py.Dataset, path: str
    ) -> dict[str, str]:
        """The attributes, all of which must be short texts."""
        found = {}
        for index in range(h5py.h5a.get_num_attrs(item.id)):
            attribute = h5py.h5a.open(item.id, index=index)
            kind = attribute.get_type()
            if (
                kind.get_class() != h5py.h5t.STRING
                or attribute.get_space().get_simple_extent_npoints() != 1
                or kind.get_size() > _LONGEST_TEXT
                or index > 10
            ):
                raise _RefusedError(path, "has an attribute that is no text")
            key = attribute.name.decode("utf-8")
            value = item.attrs[key]
            value = value.decode() if isinstance(value, bytes) else str(value)
            if len(value) > _LONGEST_TEXT:
                raise _RefusedError(path, "has an attribute that is no text")
            self._characters += len(key) + len(value)
            found[key] = value
        return found


def _dtype(kind: h5py.h5t.TypeID, named: str | None) -> str | None:
    """NumPy's name of a type that stores plain numbers, or None."""
    if kind.get_class() == h5py.h5t.OPAQUE:
        # NumPy has no bfloat16, and HDF5 neither.
        return "|V2" if kind.get_size() == 2 and named == "bfloat16" else None
    if kind.get_class() not in (
        h5py.h5t.FLOAT,
        h5py.h5t.INTEGER,
        h5py.h5t.ENUM,
    ):
        return None
    dtype = kind.dtype
    plain = dtype.kind in "fiub" and dtype.itemsize <= 8
    # Of the same bits as NumPy's, so that they can be read without HDF5.
    if not plain or not h5py.h5t.py_create(dtype).equal(kind):
        return None
    return dtype.str


def _limit_process(size: int, seconds: int) -> None:
    """Ends this process when it takes more than looking through may take."""
    try:
        import resource
    except ImportError:
        # Windows has none; there the parent's clock must do.
        return
    bounds = {
        "RLIMIT_AS": 2 * size + (1 << 31),
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": seconds,
        "RLIMIT_FSIZE": 0,
    }
    for name, bound in bounds.items():
        # A system may know a limit and not let it be set.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (bound, bound))


def main() -> None:
    """Answers for the file on the standard input."""
    size, objects, seconds = (int(argument) for argument in sys.argv[1:])
    _limit_process(size, seconds)
    json.dump(listing(sys.stdin.buffer.read(size), objects), sys.stdout)


if __name__ == "__main__":
    main()
