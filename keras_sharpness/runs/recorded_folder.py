"""What the folders of runs and of studies have in common."""

import os
import pathlib
import time
import weakref
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from keras_sharpness import arguments
from keras_sharpness.files import check_folder
from keras_sharpness.result_types import typed
from keras_sharpness.results import Result, decode
from keras_sharpness.runs.checks import (
    check_result,
    checked_name,
    checked_settings,
)
from keras_sharpness.runs.description import Description
from keras_sharpness.runs.differences import differences
from keras_sharpness.runs.errors import (
    NotWritableError,
    RunFolderError,
    as_folder_error,
)
from keras_sharpness.runs.lock import FolderLock
from keras_sharpness.runs.measurement import Measurement, damaged
from keras_sharpness.runs.opening import (
    check_described,
    refuse_other_folders,
    sweep,
)

# No file is that long in the making. Where several processes may write, only
# older leftovers are known to be nobody's.
_STALE_SECONDS = 3600.0


class RecordedFolder:
    """A folder with a description and measurements.

    Made by `create_or_open` and `open`; the constructor is not for use.
    """

    _noun: ClassVar[str]
    _file: ClassVar[str]
    _measurements: ClassVar[str]
    # Whether one process has the folder to itself until it is closed.
    _is_exclusive: ClassVar[bool]

    def __init__(
        self,
        path: pathlib.Path,
        description: Description,
        lock: FolderLock | None = None,
    ):
        self._path = path
        self._description = description
        self._is_writable = lock is not None
        self._release = weakref.finalize(self, lock.release) if lock else None
        if lock and not self._is_exclusive:
            self._release()

    @classmethod
    def create_or_open(
        cls, path: str | os.PathLike, settings: dict[str, Any]
    ) -> Self:
        """Makes the folder, or opens the one that is there, for writing.

        What a killed process left half-written is removed.

        Args:
            path: Path of the folder; the folders above are made, too.
            settings: Dict of plain values that says what the folder is of. A
                setting that is None is the same as none.

        Returns:
            The folder.

        Raises:
            RunFolderError: If the folder was made with other settings (the
                message names them) or by a version with another format, holds
                something else, is damaged, in use by another process, or
                cannot be written to.
            TypeError: If `settings` does not go to JSON.

        Warns:
            UserWarning: If another version of this package made the folder.
        """
        path = arguments.path("path", path)
        settings = checked_settings(settings)
        with as_folder_error(path, "read"):
            refuse_other_folders(path, file=cls._file, noun=cls._noun)
        with as_folder_error(path, "written"):
            path.mkdir(parents=True, exist_ok=True)
            lock = FolderLock.take(path, wait=not cls._is_exclusive)
        try:
            with as_folder_error(path, "written"):
                check_folder(path)
            description = cls._described(path, settings)
            alone_since = lock.taken_at if cls._is_exclusive else None
            sweep(
                (path, path / cls._measurements),
                before=alone_since or time.time() - _STALE_SECONDS,
            )
        except BaseException:
            lock.release()
            raise
        return cls(path, description, lock)

    @classmethod
    def open(
        cls, path: str | os.PathLike, settings: dict[str, Any] | None = None
    ) -> Self:
        """Opens an existing folder for reading. Nothing is written.

        Args:
            path: Path of the folder.
            settings: Dict of plain values. What the folder must be of; None
                for whatever it is of.

        Returns:
            The folder.

        Raises:
            RunFolderError: If there is no such folder, or it is of another
                kind, of another format or damaged, or was made with other
                settings.
        """
        path = arguments.path("path", path)
        if settings is not None:
            settings = checked_settings(settings)
        with as_folder_error(path, "read"):
            check_described(path, file=cls._file, noun=cls._noun)
        description = Description.load(path / cls._file)
        if settings is not None:
            description.check_same(settings, path)
        return cls(path, description)

    @classmethod
    def _described(
        cls, path: pathlib.Path, settings: dict[str, Any]
    ) -> Description:
        file = path / cls._file
        if file.exists():
            description = Description.load(file)
            description.check_same(settings, path)
            return description
        description = Description.of_new(settings)
        with as_folder_error(file, "written"):
            description.save(file)
        return description

    def close(self) -> None:
        """Ends writing, so that another process may write.

        Happens by itself when the folder is used no more.
        """
        self._is_writable = False
        if self._release is not None:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path)!r})"

    @property
    def path(self) -> pathlib.Path:
        """Path of the folder."""
        return self._path

    @property
    def is_writable(self) -> bool:
        """Whether it was opened for writing."""
        return self._is_writable

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self._path.resolve().name

    @property
    def settings(self) -> dict[str, Any]:
        """What the folder is of, a copy; sequences as tuples."""
        settings = self._description.settings
        return {name: decode(value) for name, value in settings.items()}

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Python and the packages that made the folder."""
        return dict(self._description.versions)

    @property
    def written_by(self) -> str:
        """Version of keras_sharpness that made the folder."""
        return self._description.written_by

    @property
    def created(self) -> str:
        """Date in UTC, ISO 8601."""
        return self._description.created

    def measurements(self) -> tuple[str, ...]:
        """The names of the measurements, sorted."""
        files = (self._path / self._measurements).glob("[!.]*.json")
        return tuple(sorted(file.stem for file in files))

    def has(self, name: str, settings: dict[str, Any]) -> bool:
        """Whether a measurement of that name and those settings is there.

        Put what distinguishes measurements of one kind into the name, e.g.
        `"epsilon_sharpness-1e-3-full"`, and all that the number depends on
        into the settings: with other settings under the same name, `has`
        returns False and `write` replaces the measurement.

        Args:
            name: Str.
            settings: Dict of plain values, what would be asked for.

        Returns:
            Bool.

        Raises:
            RunFolderError: If the file is damaged.
        """
        file = self.measurement_path(name)
        if not file.exists():
            return False
        stored = Measurement.load(file).settings
        return not differences(stored, checked_settings(settings))

    def write(
        self, name: str, result: Result, settings: dict[str, Any]
    ) -> None:
        """Writes a measurement, in place of an earlier one of that name.

        Args:
            name: Str.
            result: `Result`.
            settings: Dict of plain values, what was asked for.

        Raises:
            RunFolderError: If the folder is open for reading only, or cannot
                be written to.
        """
        self._check_writable()
        file = self.measurement_path(name)
        check_result(result)
        record = Measurement.of_new(result, checked_settings(settings))
        with as_folder_error(file, "written"):
            file.parent.mkdir(exist_ok=True)
            record.save(file)

    def remove(self, name: str) -> None:
        """Deletes a measurement, if it is there.

        Args:
            name: Str.

        Raises:
            RunFolderError: If the folder is open for reading only, or cannot
                be written to.
        """
        self._check_writable()
        file = self.measurement_path(name)
        with as_folder_error(file, "removed"):
            file.unlink(missing_ok=True)

    def read(self, name: str, kind: type[Result] = Result) -> Result:
        """A measurement as the result it was.

        The module that defines the result's class is imported, with Keras if
        that needs it; `read_values` imports nothing.

        Args:
            name: Str.
            kind: Class that the result must be of.

        Returns:
            The `Result`.

        Raises:
            RunFolderError: If there is no such measurement, or it is damaged
                or of another kind.
        """
        return self._load(name).to_result(self.measurement_path(name), kind)

    def read_values(
        self, name: str, needed: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A measurement as a dict of NumPy values, without any import.

        Args:
            name: Str.
            needed: Mapping from attributes that must be there to their types,
                e.g. `{"value": float, "grid": np.ndarray}`.

        Returns:
            Dict with the attributes of the result, and its `"kind"`.

        Raises:
            RunFolderError: If there is no such measurement, or it is damaged.
        """
        path = self.measurement_path(name)
        values = self._load(name).to_values(path)
        try:
            for field, hint in (needed or {}).items():
                values[field] = typed(field, values.get(field), hint)
        except ValueError as error:
            raise damaged(path, error) from error
        return values

    def settings_of(self, name: str) -> dict[str, Any]:
        """What was asked for when a measurement was made.

        Args:
            name: Str.

        Returns:
            Dict; sequences as tuples.

        Raises:
            RunFolderError: If there is no such measurement, or it is damaged.
        """
        settings = self._load(name).settings
        return {key: decode(value) for key, value in settings.items()}

    def measurement_path(self, name: str) -> pathlib.Path:
        """Path of the file that holds a measurement, there or not.

        Args:
            name: Str.

        Returns:
            Path.
        """
        return self._path / self._measurements / f"{checked_name(name)}.json"

    def _load(self, name: str) -> Measurement:
        file = self.measurement_path(name)
        if not file.exists():
            raise RunFolderError(
                f"{self._path} holds no measurement {name!r}. It holds: "
                f"{', '.join(self.measurements()) or 'none'}."
            )
        return Measurement.load(file)

    def _check_writable(self) -> None:
        if not self._is_writable:
            raise NotWritableError(
                f"{self._path} is open for reading only. Open it with "
                f"`{type(self).__name__}.create_or_open(path, settings)`."
            )
