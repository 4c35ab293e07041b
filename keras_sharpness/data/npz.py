"""A data set of the user's own, from one NumPy archive."""

import os
import pathlib
import zipfile
import zlib

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.data.classification_data import ClassificationData
from keras_sharpness.data.sample_data import SampleData

_NAMES = ("x_train", "y_train", "x_test", "y_test")
# What MedMNIST calls them.
_OTHER_NAMES = ("train_images", "train_labels", "test_images", "test_labels")


def load_npz(path: str | os.PathLike) -> SampleData:
    """Reads samples and targets from an `.npz` archive.

    The archive holds the arrays `x_train`, `y_train`, `x_test` and `y_test`,
    or, as MedMNIST calls them, `train_images`, `train_labels`, `test_images`
    and `test_labels`; others are ignored. Samples have any shape (N, ...), e.g.
    feature matrices (N, features). Floats are taken as they are, and so are
    whole numbers of (N, length), which stand for words; uint8 is of pixels,
    and divided by 255. Integers from 0 of shape (N,) or (N, 1) are class
    labels; all other numbers, such as those of a regression or one-hot rows,
    are targets, as a loss takes them.

    Args:
        path: Path of the archive, as `np.savez` writes it.

    Returns:
        A `ClassificationData`, whose `num_classes` is the largest label of
        both splits plus one; a `SampleData` where the targets are no labels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not such an archive, or its arrays do not
            fit together.

    Example:

    ```python
    import os
    import tempfile
    import numpy as np
    import keras_sharpness as ks

    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "speech.npz")
        np.savez(
            path,
            x_train=generator.normal(size=(20, 360)),
            y_train=np.arange(20) % 4,
            x_test=generator.normal(size=(8, 360)),
            y_test=np.arange(8) % 4,
        )
        data = ks.data.load_npz(path)
    assert data.num_classes == 4
    assert data.input_shape == (360,)
    ```
    """
    path = arguments.path("path", path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}. Pass the path of an `.npz` archive with "
            f"{', '.join(_NAMES)}."
        )
    arrays = _read(path)
    common = {
        "name": path.stem,
        "x_train": _samples(path, "x_train", arrays["x_train"]),
        "x_test": _samples(path, "x_test", arrays["x_test"]),
        "source": str(path),
    }
    targets = {
        name: _targets(path, name, arrays[name])
        for name in ("y_train", "y_test")
    }
    kinds = {y.dtype.kind == "f" for y in targets.values()}
    if len(kinds) > 1:
        raise ValueError(
            f"`y_train` and `y_test` of {path} must be integer labels both, or "
            "floats both. Received: dtypes "
            f"{' and '.join(str(y.dtype) for y in targets.values())}. Save "
            'labels e.g. as `y_test.astype("int64")`.'
        )
    if not all(map(are_labels, targets.values())):
        return SampleData(**common, **targets)
    labels = {name: y.astype(np.int64) for name, y in targets.items()}
    return ClassificationData(
        num_classes=1 + max(int(y.max(initial=-1)) for y in labels.values()),
        **common,
        **labels,
    )


def are_labels(y: np.ndarray) -> bool:
    """Whether targets are class labels: integers from 0, one per sample."""
    return y.ndim == 1 and y.dtype.kind in "iu" and y.min(initial=0) >= 0


def to_unit_range(pixels: np.ndarray) -> np.ndarray:
    """uint8 pixels as float32 in [0, 1]: divided by 255."""
    return np.divide(pixels, 255, dtype=np.float32)


def has_labels(path: str | os.PathLike) -> bool:
    """Whether the targets of an archive are class labels; no sample is read.

    Args:
        path: Path of the archive.

    Returns:
        Bool.

    Raises:
        ValueError: As of `load_npz`.
    """
    path = pathlib.Path(path)
    arrays = _read(path, ("y_train", "y_test"))
    return all(are_labels(_targets(path, n, y)) for n, y in arrays.items())


def _read(
    path: pathlib.Path, wanted: tuple[str, ...] = _NAMES
) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(
                f"{path} is not an `.npz` archive, or only the beginning of "
                "one. Copy it again, or write it with `np.savez`."
            )
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            names = dict(zip(_NAMES, _NAMES, strict=True))
            there = {*archive.files}
            if {*_OTHER_NAMES} <= there and not there & {*_NAMES}:
                names = dict(zip(_NAMES, _OTHER_NAMES, strict=True))
            missing = [n for n in names.values() if n not in archive.files]
            if missing:
                raise ValueError(
                    f"{path} must hold the arrays {', '.join(_NAMES)}. "
                    f"Missing: {', '.join(missing)}. Present: "
                    f"{', '.join(archive.files) or 'none'}. Split and write "
                    "them again with `np.savez(path, x_train=..., "
                    "y_train=..., x_test=..., y_test=...)`."
                )
            return {name: _array(path, archive, names[name]) for name in wanted}


def _array(
    path: pathlib.Path, archive: np.lib.npyio.NpzFile, name: str
) -> np.ndarray:
    try:
        array = archive[name]
    # RuntimeError: encrypted, or compressed in a way Python does not know.
    except (
        ValueError,
        RuntimeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"The array `{name}` of {path} cannot be read ({error}). Write the "
            "archive again with `np.savez`, from arrays of numbers, not of "
            "objects: lists of several lengths, such as those of "
            "`keras.datasets.imdb`, go through `keras.utils.pad_sequences`."
        ) from error
    if not isinstance(array, np.ndarray):
        raise ValueError(
            f"`{name}` of {path} is not a NumPy array. Write the archive with "
            "`np.savez`."
        )
    return array


def _samples(path: pathlib.Path, name: str, x: np.ndarray) -> np.ndarray:
    if x.dtype == np.uint8:
        return to_unit_range(x)
    # Words in a row, or several rows of them; not pixels of some other range.
    if x.dtype.kind in "iu" and x.ndim <= 3:
        return x
    if x.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(
            f"`{name}` of {path} must be floats, uint8 pixels, or whole "
            f"numbers (N, length) that stand for words. Received: dtype "
            f"{x.dtype}, shape {x.shape}. Save e.g. "
            f'`{name}.astype("float32")`, or pixels as `"uint8"`.'
        )
    return x


def _targets(path: pathlib.Path, name: str, y: np.ndarray) -> np.ndarray:
    if y.dtype.kind not in "biuf":
        raise ValueError(
            f"`{name}` of {path} must be integer labels or other numbers. "
            f"Received: dtype {y.dtype}, shape {y.shape}. Save labels e.g. as "
            f"`np.unique({name}, return_inverse=True)[1]`."
        )
    if y.dtype.kind == "b":
        y = y.astype(np.int64)
    if y.ndim == 2 and y.shape[1] == 1 and y.dtype.kind in "iu":
        # The shape of `keras.datasets.cifar10`.
        y = y[:, 0]
    return y
