"""`run.json` and `study.json`: what a folder is, and who made it."""

import dataclasses
import json
import pathlib
import warnings
from typing import Any, Self

from keras_sharpness.files import write_atomically
from keras_sharpness.results import decode
from keras_sharpness.runs.differences import differences
from keras_sharpness.runs.errors import RunFolderError, as_folder_error
from keras_sharpness.runs.versions import installed_versions, now
from keras_sharpness.version import __version__

# The layout of the folders, and of the files in them. To be raised by whoever
# changes it such that an older version would misread a newer folder.
RUN_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Description:
    """What a folder is, and who made it.

    Attributes:
        settings: Dict in JSON's types.
        versions: Dict from a package's name to the version that made it.
        created: Str. Date in UTC, ISO 8601.
        format: Int. The `RUN_FORMAT` it was written in.
    """

    settings: dict[str, Any]
    versions: dict[str, str]
    created: str
    format: int = RUN_FORMAT

    @classmethod
    def of_new(cls, settings: dict[str, Any]) -> Self:
        """The description of a folder that is made now.

        Args:
            settings: Dict in JSON's types.

        Returns:
            A `Description`.
        """
        return cls(settings, installed_versions(), now())

    @property
    def written_by(self) -> str:
        """Version of this package that made the folder."""
        return self.versions["keras_sharpness"]

    def save(self, path: pathlib.Path) -> None:
        """Writes the description as JSON.

        Args:
            path: Path of the file.
        """
        text = json.dumps(dataclasses.asdict(self), indent=1)
        write_atomically(path, text.encode())

    @classmethod
    def load(cls, path: pathlib.Path) -> Self:
        """Reads what `save` wrote.

        Args:
            path: Path of the file.

        Returns:
            A `Description`.

        Raises:
            RunFolderError: If it is damaged or of another format.
        """
        with as_folder_error(path, "read"):
            content = path.read_bytes()
        try:
            values = json.loads(content)
            version = str(values["versions"]["keras_sharpness"])
            if values["format"] == RUN_FORMAT:
                return cls._checked(values)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise RunFolderError(
                f"{path} is damaged ({reason}). Delete the folder and repeat "
                "the work, or pass another folder (`--out`)."
            ) from error
        raise RunFolderError(
            f"{path} has format {values['format']!r}, written by "
            f"keras_sharpness {version}. This is keras_sharpness "
            f"{__version__}, which reads format {RUN_FORMAT}. Install that "
            "version, or pass another folder (`--out`)."
        )

    @classmethod
    def _checked(cls, values: dict[str, Any]) -> Self:
        kinds = {"settings": dict, "versions": dict, "created": str}
        for name, kind in kinds.items():
            if not isinstance(values[name], kind):
                raise TypeError(f"{name} is not of type {kind.__name__}")
        if not all(isinstance(v, str) for v in values["versions"].values()):
            raise TypeError("versions are not all texts")
        # Now, where the file can be named.
        decode(values["settings"])
        return cls(**{name: values[name] for name in kinds})

    def check_same(self, settings: dict[str, Any], path: pathlib.Path) -> None:
        """Refuses settings other than the folder's.

        Warns if only the version of this package is another.

        Args:
            settings: Dict in JSON's types, those asked for.
            path: Path of the folder, for the message.

        Raises:
            RunFolderError: If a setting differs, naming all that do.
        """
        changed = differences(self.settings, settings)
        if changed:
            raise RunFolderError(
                f"{path} was made with other settings: {'; '.join(changed)}. "
                "Repeat them, pass another folder (`--out`), or delete this "
                "one."
            )
        if self.written_by != __version__:
            warnings.warn(
                f"{path} was made by keras_sharpness {self.written_by}, this "
                f"is {__version__}: its numbers come from both.",
                UserWarning,
                # The caller of `create_or_open`, four frames up.
                stacklevel=4,
            )
