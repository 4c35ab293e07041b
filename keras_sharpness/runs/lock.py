"""One process at a time writes to a folder."""

import os
import pathlib
import socket
import threading
from typing import ClassVar

from keras_sharpness.runs.errors import RunFolderError

try:
    import fcntl
except ImportError:  # Windows: two processes must not share a folder there.
    fcntl = None

LOCK_FILE = ".lock"


class FolderLock:
    """The right to write to a folder, which one process has at a time.

    The operating system takes it back when the process ends, however it does.
    Within a process the right is shared, and counted. Without `fcntl`, on
    Windows, nothing is locked.

    Made by `take`; the constructor is not for use.
    """

    _held: ClassVar[dict[tuple[int, pathlib.Path], "FolderLock"]] = {}
    # Released by the garbage collector, too, in whichever thread it runs.
    _guard = threading.RLock()

    def __init__(self, folder: pathlib.Path, descriptor: int):
        # A forked child inherits the table but not the right.
        self._key = (os.getpid(), folder)
        self._descriptor = descriptor
        self._count = 0

    @classmethod
    def take(cls, folder: pathlib.Path, *, wait: bool = False) -> "FolderLock":
        """Takes the lock of a folder.

        Args:
            folder: Path of an existing folder.
            wait: Bool. Whether to wait for a process that has it.

        Returns:
            The lock, to be given back by `release`.

        Raises:
            RunFolderError: If another process has the lock.
            OSError: If the lock file cannot be written.
        """
        folder = folder.resolve()
        with cls._guard:
            lock = cls._held.get((os.getpid(), folder))
            if lock is None or not _is_at(lock._descriptor, folder):
                lock = cls(folder, _lock_file(folder, wait))
                cls._held[lock._key] = lock
            lock._count += 1
            return lock

    @property
    def taken_at(self) -> float | None:
        """Time since which this process alone has written to the folder.

        By the clock of the folder's file system, as the times of the files in
        it are. None where nothing is locked.
        """
        if fcntl is None:
            return None
        return os.fstat(self._descriptor).st_mtime

    def release(self) -> None:
        """Gives the lock back; after the last user's call it is free."""
        with self._guard:
            self._count -= 1
            if self._count == 0:
                if self._held.get(self._key) is self:
                    del self._held[self._key]
                os.close(self._descriptor)


def _lock_file(folder: pathlib.Path, wait: bool) -> int:
    """A descriptor of the folder's lock file, locked."""
    while True:
        descriptor = os.open(
            folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | _BINARY, 0o666
        )
        try:
            if fcntl is not None:
                only_try = 0 if wait else fcntl.LOCK_NB
                fcntl.flock(descriptor, fcntl.LOCK_EX | only_try)
            # The folder may have been deleted and made anew in between.
            if _is_at(descriptor, folder):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()} on {_host()}".encode())
                return descriptor
        except BlockingIOError as error:
            owner = os.read(descriptor, 300).decode(errors="replace")
            os.close(descriptor)
            raise RunFolderError(
                f"{folder} is in use by process {owner or 'unknown'}. Wait for "
                "it or stop it, or pass another folder (`--out`)."
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, folder: pathlib.Path) -> bool:
    try:
        there = os.stat(folder / LOCK_FILE)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _host() -> str:
    return socket.gethostname()


_BINARY = getattr(os, "O_BINARY", 0)
