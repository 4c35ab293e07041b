"""Runs that are compared, and what was measured between them."""

import pathlib
from typing import Any

from keras_sharpness.runs.checks import checked_name
from keras_sharpness.runs.recorded_folder import RecordedFolder
from keras_sharpness.runs.run_folder import RunFolder

_FILE, _PAIRS = "study.json", "pairs"


class StudyFolder(RecordedFolder):
    """Runs that are compared, and what was measured between them.

    | file | content |
    | --- | --- |
    | `study.json` | format, date, versions, and the settings of the study |
    | `<run>/` | a `RunFolder` |
    | `pairs/<name>.json` | a result that belongs to no single run |
    | others | tables and reports, named by `path_of` |

    Several processes may write to different runs of one study.

    Example:

    ```python
    import pathlib
    import tempfile

    from keras_sharpness.runs import StudyFolder

    path = pathlib.Path(tempfile.mkdtemp(), "batch_sizes")
    study = StudyFolder.create_or_open(path, {"network": "F1"})
    for batch_size in (256, 6000):
        with study.run(f"F1-{batch_size}", {"batch_size": batch_size}) as run:
            assert not run.is_finished

    study = StudyFolder.open(path)
    assert [run.name for run in study.runs()] == ["F1-256", "F1-6000"]
    ```
    """

    _noun = "study"
    _file = _FILE
    _measurements = _PAIRS
    _is_exclusive = False

    def run(self, name: str, settings: dict[str, Any]) -> RunFolder:
        """Makes a run of the study, or opens the one there, for writing.

        Args:
            name: Str.
            settings: Dict of plain values that says what the run is.

        Returns:
            A `RunFolder`.

        Raises:
            RunFolderError: As of `RunFolder.create_or_open`, or if the study
                is open for reading only.
            ValueError: If the name is not fit for a folder.
        """
        self._check_writable()
        path = self.path / _unreserved(name, "name")
        return RunFolder.create_or_open(path, settings)

    def runs(self) -> tuple[RunFolder, ...]:
        """The runs, sorted by name, open for reading.

        Returns:
            Tuple of `RunFolder`.

        Raises:
            RunFolderError: If one of them is damaged.
        """
        files = self.path.glob("[!.]*/run.json")
        return tuple(
            RunFolder.open(path)
            for path in sorted(file.parent for file in files)
        )

    def path_of(self, filename: str) -> pathlib.Path:
        """Path for a file of the study as a whole, e.g. `"report.html"`.

        Args:
            filename: Str, without a folder.

        Returns:
            Path in the folder; nothing is made.

        Raises:
            ValueError: If the name is not fit for a file, or taken.
        """
        return self.path / _unreserved(filename, "filename")


def _unreserved(name: str, what: str) -> str:
    if checked_name(name, what) in (_FILE, _PAIRS):
        raise ValueError(
            f"`{what}` must be none of the names that a study needs for "
            f"itself. Received: {what}={name!r}. Pass another name."
        )
    return name
