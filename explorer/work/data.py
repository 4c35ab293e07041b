"""The samples that models are measured on, as a reader chooses them."""

import dataclasses
import functools
import os
import pathlib
import zipfile
from typing import TYPE_CHECKING

from keras_sharpness.saving import ModelFileError
from work.losses import chosen_loss, loss_code, targets_code
from work.minimum import Minimum

if TYPE_CHECKING:
    from keras_sharpness.data import SampleData

SHIPPED = ("mnist_5k", "patches")
# Unpacked: a small archive can hold a large array of zeros.
_MOST_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True)
class DataChoice:
    """Samples, loss and mode of batch normalisation.

    Attributes:
        name: Str. Of a data set, or of a dropped archive.
        num_samples: Int, of the training and of the test samples, the first
            ones; or None for all.
        loss: Str, a key of `LOSSES`.
        batch_norm: Str, as of `Objective`.
        file: Path of a dropped `.npz` archive, or None.
        sha256: Str. Of that archive.
        digests: Tuple of pairs, what `digest_data` says of the data that a
            study was made on, or empty. Others of that name are refused.
    """

    name: str = SHIPPED[0]
    num_samples: int | None = 1000
    loss: str = "auto"
    batch_norm: str = "inference"
    file: pathlib.Path | None = dataclasses.field(default=None, compare=False)
    sha256: str = ""
    digests: tuple[tuple[str, str], ...] = ()

    def load(self) -> "SampleData":
        """The data set, whole.

        Raises:
            ValueError: If it is not one, or too large.
        """
        if self.file is None:
            found = _shared(self.name)
            self._check_same(found)
            return found
        check_archive(self.file, self.name)
        from keras_sharpness.data import load_npz

        try:
            return load_npz(self.file)
        except ValueError as error:
            # The name it was dropped under, not the one it has here.
            text = str(error).replace(str(self.file), self.name)
            raise ValueError(text) from error

    def loss_of(self, minimum: Minimum) -> str:
        """The loss for a minimum, a key of `LOSSES` other than `"auto"`."""
        has_classes = self.file is None or _has_labels(self.file)
        return chosen_loss(self.loss, minimum.path, has_classes=has_classes)

    def _check_same(self, found: "SampleData") -> None:
        """Refuses other samples than those of the study, of one name."""
        if not self.digests:
            return
        from keras_sharpness.data.digest import digest_data

        others = set(digest_data(found).items()) ^ set(self.digests)
        if others:
            names = ", ".join(sorted({name for name, _ in others}))
            raise ModelFileError(
                f"The data set {self.name} that is installed here is not the "
                f"one that the study was made on: {names} differ. Drop the "
                "study's data as an `.npz` archive, under *Data and loss* on "
                "the left."
            )

    def code(self, minimum: Minimum, splits: tuple[str, ...]) -> str:
        """Lines that make `data` and the objectives of `model`."""
        loss = self.loss_of(minimum)
        lines = [f"data = ks.data.load({self.name!r})"]
        count = "" if self.num_samples is None else f"[:{self.num_samples}]"
        lines.append("options = {")
        lines.append(f'    "loss": {loss_code(loss)},')
        lines.append(f'    "batch_norm": {self.batch_norm!r},')
        lines.append("}")
        for split in splits:
            labels = targets_code(loss, f"data.y_{split}{count}")
            more = ", calibration=train" if split == "test" else ""
            if split == "test" and "train" not in splits:
                more = ""
            lines.append(f"{split} = ks.Objective(")
            lines.append(f"    model, data.x_{split}{count},")
            lines.append(f"    {labels}{more}, **options")
            lines.append(")")
        return "\n".join(lines)


@functools.lru_cache(maxsize=64)
def _has_labels(file: pathlib.Path) -> bool:
    """Whether the targets of an archive, named by its hash, are labels."""
    from keras_sharpness.data.npz import has_labels

    try:
        return has_labels(file)
    except (OSError, ValueError):
        return True  # which is said where the data are loaded


@functools.lru_cache(maxsize=2)
def _shared(name: str) -> "SampleData":
    from keras_sharpness import data

    # Whole, what ships is read without TensorFlow Datasets: while that is
    # imported, Python's `import` is another one in all threads, and a page
    # that is drawn meanwhile breaks.
    return data.load(name, download=False)


def check_archive(path: pathlib.Path, name: str) -> None:
    """Refuses an archive that would unpack to more than the memory is for.

    Raises:
        ModelFileError: If it is none, or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelFileError(
            f"{name} is not an `.npz` archive, or only the beginning of one. "
            "Write it with `np.savez`."
        ) from error
    if size > _MOST_BYTES:
        raise ModelFileError(
            f"{name} would take {size / 1e6:,.0f} MB of memory; the limit is "
            f"{_MOST_BYTES / 1e6:,.0f} MB. Keep fewer samples."
        )


def installed_sets() -> list[str]:
    """The data sets that ship, and what TensorFlow Datasets has prepared.

    Read from the names of folders; TensorFlow is not imported.
    """
    default = pathlib.Path.home() / "tensorflow_datasets"
    root = pathlib.Path(os.environ.get("TFDS_DATA_DIR", default))
    found = set()
    for pattern in ("*/*/dataset_info.json", "*/*/*/dataset_info.json"):
        for file in root.glob(pattern):
            # Above the version's folder.
            found.add(file.parents[1].relative_to(root).as_posix())
    return [*SHIPPED, *sorted(found - {*SHIPPED})]
