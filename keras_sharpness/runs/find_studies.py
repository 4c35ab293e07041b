"""The studies below a folder."""

import os
import pathlib

from keras_sharpness import arguments


def find_studies(root: str | os.PathLike) -> tuple[pathlib.Path, ...]:
    """The folders of studies at or below a folder.

    Hidden folders, links, and what is inside of a study are not searched.

    Args:
        root: Path of a folder, there or not.

    Returns:
        Tuple of paths for `StudyFolder.open`, sorted; empty if there is none.

    Example:

    ```python
    import pathlib
    import tempfile

    from keras_sharpness.runs import StudyFolder, find_studies

    root = pathlib.Path(tempfile.mkdtemp())
    StudyFolder.create_or_open(root / "batch_sizes", {})
    assert find_studies(root) == (root / "batch_sizes",)
    assert find_studies(root / "nothing") == ()
    ```
    """
    root = arguments.path("root", root)
    found = []
    for folder, subfolders, files in os.walk(root):
        if "study.json" in files:
            found.append(pathlib.Path(folder))
            subfolders.clear()
        subfolders[:] = [s for s in subfolders if not s.startswith(".")]
    return tuple(sorted(found))
