"""What stands between a path and a folder that can be written to."""

import contextlib
import os
import pathlib
from collections.abc import Iterable

from keras_sharpness.files import TEMPORARY_PREFIX
from keras_sharpness.runs.errors import RunFolderError, as_folder_error


def refuse_other_folders(path: pathlib.Path, *, file: str, noun: str) -> None:
    """Refuses a path at which there is something else already.

    Args:
        path: Path of the folder, there or not.
        file: Str. Name of the file that the right kind of folder holds.
        noun: Str. What the folder is to be of.

    Raises:
        RunFolderError: If the path is a file, or a folder with other files.
        OSError: If the folder cannot be read.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise RunFolderError(
            f"{path} is a file, not a folder. Pass another folder (`--out`), "
            "or delete the file."
        )
    names = sorted(os.listdir(path))
    # Hidden files are the lock, leftovers of a kill, or the system's.
    others = [name for name in names if not name.startswith(".")]
    if others and file not in names:
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        raise RunFolderError(
            f"{path} is no folder of a {noun}: it holds {shown}, but no "
            f"{file}. Pass another folder (`--out`), new or empty."
        )


def check_described(path: pathlib.Path, *, file: str, noun: str) -> None:
    """Refuses a path that is no folder with a description.

    Args:
        path: Path of the folder.
        file: Str. Name of the description's file.
        noun: Str. What the folder is to be of.

    Raises:
        RunFolderError: If it is none.
        OSError: If the folder cannot be read.
    """
    if not path.is_dir():
        what = "it is a file" if path.exists() else "there is none"
        raise RunFolderError(
            f"{path} is no folder of a {noun}: {what}. Check the name and the "
            f"folder above ({path.absolute().parent})."
        )
    if not (path / file).is_file():
        raise RunFolderError(
            f"{path} is no folder of a {noun}: it holds no {file}. Pass a "
            "folder that holds one."
        )


def sweep(folders: Iterable[pathlib.Path], *, before: float) -> None:
    """Removes the files that a killed process left unfinished.

    Args:
        folders: Paths of folders, there or not.
        before: Float. Time in seconds since the epoch; files last changed at
            that time or later stay.

    Raises:
        RunFolderError: If a file cannot be removed.
    """
    for folder in folders:
        for file in folder.glob(f"{TEMPORARY_PREFIX}*"):
            with (
                as_folder_error(file, "removed"),
                contextlib.suppress(FileNotFoundError),
            ):
                if file.stat().st_mtime < before:
                    file.unlink()
