"""What one reader has dropped and computed, until the browser leaves."""

import hashlib
import os
import pathlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Hashable

import psutil

from keras_sharpness.saving import (
    Limits,
    ModelDescription,
    ModelFileError,
    inspect_model,
)
from work.cache import SHARED, ResultCache
from work.data import check_archive
from work.jobs import WORKER, Job
from work.loaded import LOADED
from work.minimum import Minimum
from work.request import Request

MOST_FILES = 12
MOST_BYTES = 600 << 20
_PREFIX = "keras-sharpness-explorer-"


class Session:
    """What one reader has dropped and computed.

    Attributes:
        minima: Dict from the name to the `Minimum` of a dropped file.
        descriptions: Dict from the name to its `ModelDescription`.
        archives: Dict from the name of a dropped `.npz` to its path.
        job: `Job` that was begun last, or None.
    """

    def __init__(self) -> None:
        sweep()
        self.folder = pathlib.Path(
            tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
        )
        # Where nobody closes it, Python does at its end.
        self._remove = weakref.finalize(
            self, shutil.rmtree, self.folder, ignore_errors=True
        )
        self.minima: dict[str, Minimum] = {}
        self.descriptions: dict[str, ModelDescription] = {}
        self.archives: dict[str, pathlib.Path] = {}
        # What the pages have drawn of results, the oldest first.
        self.charts: dict[tuple, tuple] = {}
        self.job: Job | None = None
        self._own = ResultCache(max_bytes=100 << 20)

    def add_model(self, name: str, content: bytes) -> Minimum:
        """Keeps a model file that passes the inspection.

        Raises:
            ModelFileError: If it does not, or there are too many.
        """
        # Before it is on the disk, or near Keras.
        description = inspect_model(content, name=name, limits=Limits())
        for known, other in self.descriptions.items():
            if other.sha256 == description.sha256:
                return self.minima[known]
        self._check_room(name, len(content))
        # Named by what is in it: the name it came with is a stranger's.
        path = self.folder / f"{description.sha256}.keras"
        path.write_bytes(content)
        name = self._new_name(pathlib.PurePath(name).stem, self.minima)
        self.minima[name] = Minimum(
            name=name,
            path=path,
            is_shared=False,
            digest=description.sha256,
        )
        self.descriptions[name] = description
        return self.minima[name]

    def add_archive(self, name: str, content: bytes) -> str:
        """Keeps an `.npz` archive of samples; returns its name.

        Raises:
            ModelFileError: If it is none, or too large.
        """
        self._check_room(name, len(content))
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / f"{digest}.npz"
        path.write_bytes(content)
        try:
            check_archive(path, name)
        except ModelFileError:
            path.unlink()
            raise
        name = pathlib.PurePath(name).name
        self.archives[name] = path
        return name

    def remove(self, name: str) -> None:
        """Forgets a dropped model and what was computed of it."""
        minimum = self.minima.pop(name)
        self.charts.clear()
        LOADED.forget({self.descriptions.pop(name).sha256})
        minimum.path.unlink(missing_ok=True)

    def result(self, request: Request) -> object:
        """What was computed already, or None."""
        return self._cache(request).get(request.key)

    def stored(self, key: Hashable, read: Callable[[], object]) -> object:
        """What a file holds: read again when the key tells that it changed."""
        result = self._own.get(key)
        if result is None:
            result = read()
            if result is not None and not self._is_closed:
                self._own.put(key, result)
        return result

    def keep(self, request: Request, result: object) -> None:
        """Remembers what was computed."""
        if not self._is_closed:
            self._cache(request).put(request.key, result)

    def start(self, requests: list[Request]) -> Job:
        """Begins computations, one after the other.

        What was begun before is stopped.
        """
        if self.job is not None:
            self.job.stop()

        def work(job: Job) -> None:
            for number, request in enumerate(requests, 1):
                job.request, job.later = request, requests[number:]
                try:
                    self.keep(request, request.run(job))
                finally:
                    request.learn(job.stopwatch.read())
                # Also what other requests show changes with it.
                job.show(None)

        self.job = Job(
            tuple(request.key for request in requests),
            requests[0].title,
            work,
            self.folder,
        )
        WORKER.submit(self.job)
        return self.job

    def close(self) -> None:
        """Forgets everything; called when the browser has left."""
        if self.job is not None:
            self.job.stop()
        digests = {d.sha256 for d in self.descriptions.values()}
        digests |= {path.stem for path in self.archives.values()}
        self.minima.clear()
        self.charts.clear()
        self._own.clear()
        self._remove()
        LOADED.forget(digests)

    @property
    def _is_closed(self) -> bool:
        return not self.folder.exists()

    def _cache(self, request: Request) -> ResultCache:
        return SHARED if request.is_shared else self._own

    def _check_room(self, name: str, size: int) -> None:
        files = [*self.minima, *self.archives]
        total = sum(f.stat().st_size for f in self.folder.iterdir())
        if len(files) >= MOST_FILES or total + size > MOST_BYTES:
            raise ModelFileError(
                f"There is no room for {name}: {len(files)} files of "
                f"{total / 1e6:,.0f} MB are open; the limits are {MOST_FILES} "
                f"files and {MOST_BYTES / 1e6:,.0f} MB. Close some first."
            )

    @staticmethod
    def _new_name(name: str, taken: dict) -> str:
        names = [name, *(f"{name} ({n})" for n in range(2, MOST_FILES + 2))]
        return next(candidate for candidate in names if candidate not in taken)


def sweep() -> None:
    """Removes what a server that was killed has left behind."""
    for path in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = path.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(path, ignore_errors=True)
