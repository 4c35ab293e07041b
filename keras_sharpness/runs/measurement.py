"""One measurement on disk: a result and what was asked for."""

import dataclasses
import json
import pathlib
from typing import Any, Self

from keras_sharpness.files import write_atomically
from keras_sharpness.results import Result, decode
from keras_sharpness.runs.errors import RunFolderError, as_folder_error
from keras_sharpness.runs.versions import installed_versions, now


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One measurement on disk: a result and what was asked for.

    Attributes:
        settings: Dict in JSON's types. What was asked for.
        versions: Dict from a package's name to the version that measured.
        created: Str. Date in UTC, ISO 8601.
        result: Dict, `Result.to_dict()`.
    """

    settings: dict[str, Any]
    versions: dict[str, str]
    created: str
    result: dict[str, Any]

    @classmethod
    def of_new(cls, result: Result, settings: dict[str, Any]) -> Self:
        """The record of a measurement made now.

        Args:
            result: `Result`.
            settings: Dict in JSON's types.

        Returns:
            A `Measurement`.
        """
        return cls(settings, installed_versions(), now(), result.to_dict())

    def save(self, path: pathlib.Path) -> None:
        """Writes the measurement as JSON.

        Args:
            path: Path of the file.
        """
        # `dataclasses.asdict` would copy every array.
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }
        write_atomically(path, json.dumps(values, indent=1).encode())

    @classmethod
    def load(cls, path: pathlib.Path) -> Self:
        """Reads what `save` wrote.

        Args:
            path: Path of the file.

        Returns:
            A `Measurement`.

        Raises:
            RunFolderError: If the file is missing or damaged.
        """
        with as_folder_error(path, "read"):
            content = path.read_bytes()
        try:
            values = json.loads(content)
            fields = [values[f.name] for f in dataclasses.fields(cls)]
            if not isinstance(values["settings"], dict) or not isinstance(
                values["result"], dict
            ):
                raise TypeError("settings or result is not an object")
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise damaged(path, error) from error
        return cls(*fields)

    def to_result(
        self, path: pathlib.Path, kind: type[Result] = Result
    ) -> Result:
        """The result itself; the module of its class is imported.

        Args:
            path: Path of the file, for the message.
            kind: Class that it must be of.

        Returns:
            A `Result` of the class it was.

        Raises:
            RunFolderError: If the class is not known, or the file damaged.
        """
        try:
            return kind.from_dict(self.result)
        except (ValueError, RecursionError) as error:
            raise damaged(path, error) from error

    def to_values(self, path: pathlib.Path) -> dict[str, Any]:
        """The result as a dict of NumPy values; nothing is imported.

        Args:
            path: Path of the file, for the message.

        Returns:
            Dict.

        Raises:
            RunFolderError: If the file is damaged.
        """
        return decoded(self.result, path)


def decoded(values: dict[str, Any], path: pathlib.Path) -> dict[str, Any]:
    """`Result.to_dict()` with NumPy values again.

    Args:
        values: Dict.
        path: Path of the file they come from, for the message.

    Returns:
        Dict.

    Raises:
        RunFolderError: If an array is damaged.
    """
    try:
        return {name: decode(value) for name, value in values.items()}
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def damaged(path: pathlib.Path, error: Exception) -> RunFolderError:
    """The error of a file that is not what it was.

    Args:
        path: Path of the file.
        error: What came of it.

    Returns:
        A `RunFolderError` to raise.
    """
    reason = str(error).partition("\n")[0]
    return RunFolderError(
        f"{path} cannot be read ({type(error).__name__}: {reason}). If it is "
        "damaged, delete it and measure again."
    )
