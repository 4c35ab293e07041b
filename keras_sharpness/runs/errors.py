"""What can be wrong with the folder of a run or a study."""

import contextlib
import os
from collections.abc import Iterator

from keras_sharpness.files import reason_of
from keras_sharpness.saving.errors import KerasSharpnessError


class RunFolderError(KerasSharpnessError):
    """The folder is not the one expected, damaged, in use or not writable."""


class NotWritableError(RunFolderError):
    """The folder, or a file in it, can be read at the most."""


@contextlib.contextmanager
def as_folder_error(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Turns what the operating system refuses into a `RunFolderError`.

    Args:
        path: Path of the file or folder.
        what: Str. What could not be done to it, `"read"` or `"written"`.

    Yields:
        None.

    Raises:
        RunFolderError: In place of an `OSError` of the block; a
            `NotWritableError` where something could not be written.
    """
    try:
        yield
    except OSError as error:
        kind = NotWritableError if what == "written" else RunFolderError
        raise kind(
            f"{path} cannot be {what} ({reason_of(error)}). Check the path, "
            "the permissions and the free space, or pass another folder "
            "(`--out`)."
        ) from error
