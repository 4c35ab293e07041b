"""A trained model that is looked at."""

import dataclasses
import functools
import hashlib
import pathlib
from typing import Any

from keras_sharpness.runs import RunFolder


@dataclasses.dataclass(frozen=True, eq=False)
class Minimum:
    """A trained model that is looked at.

    Attributes:
        name: Str. What it is called, on pages and in the address.
        path: Path of its `.keras` file.
        is_shared: Bool. Whether all sessions may see what comes of it: false
            for what somebody dropped into a page.
        run: `RunFolder` of a study, or None.
        settings: Dict. How it was made, as far as is known.
        group: Str. What has one colour everywhere: the batch size in a study,
            else the minimum itself.
        digest: Str. SHA-256 of the file where it is known already.
    """

    name: str
    path: pathlib.Path
    is_shared: bool
    run: RunFolder | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    group: str = ""
    digest: str = ""

    @property
    def trajectory(self) -> pathlib.Path | None:
        """The checkpoints of its training, where they were kept."""
        if self.run is None:
            return None
        folder = self.run.path / "trajectory"
        return folder if folder.is_dir() else None

    @property
    def file_name(self) -> str:
        """The file as a line of Python would name it, elsewhere too."""
        return str(self.path) if self.is_shared else self.name

    @property
    def sha256(self) -> str:
        """Of the file: what was computed of it is found by that."""
        if self.digest:
            return self.digest
        status = self.path.stat()
        # A copy that repairs a file may keep its time and size.
        version = status.st_mtime_ns, status.st_ctime_ns, status.st_size
        return _sha256((self.path, *version))


@functools.lru_cache(maxsize=256)
def _sha256(version: tuple[pathlib.Path, int, int, int]) -> str:
    with version[0].open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
