"""The folder of a study: made, opened to go on, or opened to be read."""

import pathlib
import re
from typing import Any

import keras

from keras_sharpness.fingerprint.architecture import unnumbered_name
from keras_sharpness.runs import StudyFolder
from keras_sharpness.runs.errors import NotWritableError


def open_study(out: pathlib.Path, settings: dict[str, Any]) -> StudyFolder:
    """The study for writing, or one that is there and can be read only.

    Args:
        out: Path of the folder.
        settings: Dict in JSON's types, of the study.

    Returns:
        A `StudyFolder`.

    Raises:
        RunFolderError: If the folder holds something else.
    """
    try:
        return StudyFolder.create_or_open(out, settings)
    except NotWritableError:
        if not (out / "study.json").is_file():
            raise
        return StudyFolder.open(out, settings)


def check_writable(study: StudyFolder) -> None:
    """Refuses to go on with a study that can be read only.

    Args:
        study: A `StudyFolder` that is not finished.

    Raises:
        NotWritableError: If it is open for reading.
    """
    if not study.is_writable:
        raise NotWritableError(
            f"{study.path} cannot be written to, and is not finished. Copy it "
            "to a folder that can, and pass that one (`--out`)."
        )


def model_name(out: pathlib.Path, model: keras.Model) -> str:
    """What the study calls the model, however often Keras numbers it anew.

    Args:
        out: Path of the study's folder, there or not.
        model: `keras.Model`.

    Returns:
        Str.
    """
    name = unnumbered_name(model)
    if (out / "study.json").is_file():
        stored = str(StudyFolder.open(out).settings.get("model"))
        # As an earlier version kept it: `sequential_5`.
        if re.fullmatch(rf"{re.escape(name)}(_\d+)?", stored):
            return stored
    return name
