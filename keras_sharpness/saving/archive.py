"""The members of a `.keras` archive, read from bytes that stay the same."""

import dataclasses
import hashlib
import io
import os
import pathlib
import stat
import zipfile
import zlib

from keras_sharpness.saving import errors
from keras_sharpness.saving.limits import Limits

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MEMBERS = (CONFIG, METADATA, WEIGHTS)
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ARCHIVES = (".zip", ".keras", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z")
_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1 | 0x40
# Keras stores, zip programs deflate.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Text packs well, and a megabyte hurts nobody.
_SMALL = 1 << 20
# What zipfile raises for damaged or exotic archives.
_UNREADABLE = (
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    UnicodeDecodeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclasses.dataclass(frozen=True)
class Archive:
    """The unpacked members of a model file.

    Attributes:
        name: Str. What messages call the file.
        size: Int. Bytes of the file.
        sha256: Str. Of the file.
        members: Dict from the three names of members to their bytes.
    """

    name: str
    size: int
    sha256: str
    members: dict[str, bytes]

    def write(self, path: pathlib.Path) -> None:
        """Writes the members, and nothing else, as a new archive."""
        with zipfile.ZipFile(path, "x") as archive:
            for name in _MEMBERS:
                archive.writestr(name, self.members[name])


def read_archive(
    source: str | os.PathLike | bytes, name: str | None, limits: Limits
) -> Archive:
    """Reads a model file once, and refuses what no Keras archive is.

    Args:
        source: Path or content of the file.
        name: Str. What to call it; `None` is its path.
        limits: `Limits`.

    Returns:
        An `Archive`.

    Raises:
        ModelFileError: If it is missing, truncated or of another format.
        UnsafeModelError: If it holds or unpacks to what it should not.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name = errors.clean(name or "the model")
        if len(source) > limits.file_bytes:
            raise errors.too_large(name, len(source), limits.file_bytes)
        content = bytes(source)
    else:
        # The caller's own path is shown whole.
        name = errors.clean(name) if name else str(source).replace("`", "'")
        content = read_file(pathlib.Path(source), name, limits)
    _check_format(name, content)
    size = len(content)
    try:
        # Every entry becomes an object of Python, and a file of the largest
        # size has room for millions.
        if content.count(_ENTRY) > 100:
            raise errors.strange_member(name, "more than 100 members")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            for info in infos:
                _check_member(name, info, size)
            _check_set(name, infos, size)
            _check_sizes(name, infos, limits)
            members = {i.filename: _unpacked(archive, i) for i in infos}
    except _UNREADABLE as error:
        raise errors.unreadable(name, str(error), size) from error
    digest = hashlib.sha256(content).hexdigest()
    return Archive(name=name, size=size, sha256=digest, members=members)


def read_file(path: pathlib.Path, name: str, limits: Limits) -> bytes:
    """Reads a regular file once, if it is not too large.

    Args:
        path: Path of the file.
        name: Str. What messages call it.
        limits: `Limits`.

    Returns:
        Its bytes.

    Raises:
        ModelFileError: If it is missing, too large or something else.
    """

    def without_waiting(path: str, flags: int) -> int:
        # A named pipe would wait for somebody to write to it.
        return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))

    try:
        with open(path, "rb", opener=without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise errors.no_regular_file(path)
            if status.st_size > limits.file_bytes:
                raise errors.too_large(name, status.st_size, limits.file_bytes)
            return file.read(status.st_size)
    except FileNotFoundError as error:
        raise errors.missing(path, path.parent.resolve()) from error
    except IsADirectoryError as error:
        raise errors.folder(path) from error
    except OSError as error:
        raise errors.not_opened(path, str(error.strerror)) from error


def _check_format(name: str, content: bytes) -> None:
    if content.startswith(_HDF5_MAGIC):
        if name.endswith(".weights.h5"):
            raise errors.weights_only(name)
        raise errors.legacy(name)
    if not content.startswith(b"PK\x03\x04"):
        raise errors.unreadable(name, "not a zip archive", len(content))


def _check_member(name: str, info: zipfile.ZipInfo, size: int) -> None:
    # `orig_filename` is what the archive says, before zipfile cleans it.
    member = info.orig_filename
    shown = f"`{errors.clean(member)}`"
    parts = member.replace("\\", "/").split("/")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise errors.strange_member(name, f"a symbolic link, {shown}")
    if info.flag_bits & _ENCRYPTED:
        raise errors.strange_member(name, f"an encrypted member, {shown}")
    if ".." in parts or parts[0] == "" or ":" in member:
        what = f"a member whose name leaves the archive, {shown}"
        raise errors.strange_member(name, what)
    if parts[0] == "assets":
        raise errors.assets(name, member)
    if member not in _MEMBERS:
        kind = "another archive" if _is_archive(member) else "another member"
        raise errors.strange_member(name, f"{kind}, {shown}")
    if info.compress_type not in _COMPRESSIONS:
        reason = f"{member} is compressed in another way"
        raise errors.unreadable(name, reason, size)


def _is_archive(member: str) -> bool:
    return member.lower().endswith(_ARCHIVES)


def _check_set(name: str, infos: list[zipfile.ZipInfo], size: int) -> None:
    names = [info.filename for info in infos]
    for member in _MEMBERS:
        if member not in names:
            raise errors.unreadable(name, f"missing {member}", size)
        if names.count(member) > 1:
            raise errors.strange_member(name, f"`{member}` more than once")


def _check_sizes(
    name: str, infos: list[zipfile.ZipInfo], limits: Limits
) -> None:
    for info in infos:
        if info.filename != WEIGHTS and info.file_size > limits.json_bytes:
            what = f"`{info.filename}` has {errors.size_text(info.file_size)}"
            limit = errors.size_text(limits.json_bytes)
            raise errors.bomb(name, what, limit)
        most = max(_SMALL, limits.ratio * info.compress_size)
        if info.file_size > most:
            what = (
                f"`{info.filename}` unpacks from "
                f"{errors.size_text(info.compress_size)} to "
                f"{errors.size_text(info.file_size)}"
            )
            raise errors.bomb(name, what, f"{limits.ratio} times")
    total = sum(info.file_size for info in infos)
    if total > limits.unpacked_bytes:
        what = f"its members unpack to {errors.size_text(total)}"
        limit = errors.size_text(limits.unpacked_bytes)
        raise errors.bomb(name, what, limit)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as file:
        # Without a number, zipfile unpacks whatever the stream holds before it
        # looks at the size that was declared. The one byte more makes it reach
        # the end, where it compares the checksum.
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename} is cut off")
    return content
