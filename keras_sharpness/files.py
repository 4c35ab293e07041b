"""Writing files: whole or not at all, and only where that is possible."""

import contextlib
import errno
import io
import os
import pathlib
import secrets
from collections.abc import Iterator

from keras_sharpness import arguments

# Begins the names of files that are not complete yet, or never will be.
TEMPORARY_PREFIX = ".tmp-"

# Where the system's own words would not say what is wrong.
_REASONS = {
    errno.EEXIST: "a file is where a folder is needed",
    errno.ENOTDIR: "a file is where a folder is needed",
}


def write_atomically(path: str | os.PathLike, data: bytes | io.BytesIO) -> None:
    """Writes `data` to `path` so that a kill leaves the old file or the new.

    Args:
        path: Path of the file to make or replace.
        data: The bytes.

    Raises:
        OSError: If it cannot be written; one sentence says why.
    """
    content = data.getvalue() if isinstance(data, io.BytesIO) else data
    with replaced_atomically(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replaced_atomically(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Lets a block write a file so that a kill leaves the old one or the new.

    The block writes to a temporary file beside the target. When it is done,
    the bytes reach the disk and the file takes the target's name in one step.

    Args:
        path: Path of the file to make or replace.

    Yields:
        The path to write to; no file is there. It ends as `path` does, for
        writers that go by the suffix.

    Raises:
        OSError: If it cannot be written; one sentence says why.
    """
    path = arguments.path("path", path)
    name = f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{path.name}"
    with explained(path):
        _refuse_others(path)
        temporary = path.with_name(name)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def check_file(path: str | os.PathLike, name: str = "path") -> pathlib.Path:
    """Refuses a path to which no file can be written, before the work.

    A small file is written beside it and removed: the only proof there is.

    Args:
        path: Path of the file, there or not.
        name: Str. What the caller calls it.

    Returns:
        The path.

    Raises:
        ValueError: If it is no path.
        OSError: If it cannot be written; one sentence says why.
    """
    path = arguments.path(name, path)
    with explained(path):
        _refuse_others(path)
        _probe(path.parent)
    return path


def check_folder(
    path: str | os.PathLike, name: str = "path", *, parents: bool = True
) -> pathlib.Path:
    """Makes a folder, and refuses one in which no file can be written.

    Args:
        path: Path of the folder, there or not.
        name: Str. What the caller calls it.
        parents: Bool. Whether the folders above are made, too.

    Returns:
        The path.

    Raises:
        ValueError: If it is no path.
        OSError: If it cannot be made or written to; one sentence says why.
    """
    path = arguments.path(name, path)
    with explained(path):
        if not parents and not path.is_dir():
            _refuse_others(path)
        path.mkdir(parents=parents, exist_ok=True)
        _probe(path)
    return path


@contextlib.contextmanager
def explained(path: str | os.PathLike) -> Iterator[None]:
    """Turns what the system refuses into one sentence about a file.

    Args:
        path: Path of the file or folder that is to be written.

    Yields:
        None.

    Raises:
        OSError: In place of one of the block, of the same class; its `reason`
            is the reason alone.
    """
    try:
        yield
    except OSError as error:
        if hasattr(error, "reason"):
            raise
        raise _told(type(error), path, reason_of(error)) from error


def reason_of(error: OSError) -> str:
    """Why the system refused, in plain words.

    Args:
        error: `OSError`, of the system or of `explained`.

    Returns:
        Str, to go on with after a colon.
    """
    words = error.strerror or str(error).partition("\n")[0]
    return getattr(error, "reason", _REASONS.get(error.errno, words))


def _told(
    kind: type[OSError],
    path: str | os.PathLike,
    reason: str,
    remedy: str = "Mend that",
) -> OSError:
    told = kind(
        f"{path} cannot be written: {reason}. {remedy}, or pass another path. "
        "What was finished before is kept."
    )
    told.reason = reason
    return told


def _refuse_others(path: pathlib.Path) -> None:
    """Refuses what is there and no file, or is in no folder."""
    if path.is_dir():
        raise _told(IsADirectoryError, path, "it is a folder")
    if path.exists() and not path.is_file():
        raise _told(OSError, path, "it is no ordinary file")
    if path.parent.is_dir():
        return
    nearest = next(folder for folder in path.parents if folder.exists())
    if not nearest.is_dir():
        raise _told(NotADirectoryError, path, f"{nearest} is a file")
    raise _told(
        FileNotFoundError,
        path,
        f"there is no folder {str(path.parent)!r}",
        "Make it first",
    )


def _probe(folder: pathlib.Path) -> None:
    """Writes a small file in a folder, renames it and removes it."""
    probe = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-probe"
    renamed = probe.with_name(f"{probe.name}-renamed")
    try:
        probe.write_bytes(bytes(4096))
        os.replace(probe, renamed)
    finally:
        for file in (probe, renamed):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
