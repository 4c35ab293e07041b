"""A data set of the user's own, from one NumPy archive."""

import os
import pathlib
import zipfile
import zlib

import numpy as np

from keras_sharpness import arguments
from keras_sharpness.data.classification_data import ClassificationData

_NAMES = ("x_train", "y_train", "x_test", "y_test")


def load_npz(path: str | os.PathLike) -> ClassificationData:
    """Reads samples and labels from an `.npz` archive.

    The archive holds the arrays `x_train`, `y_train`, `x_test` and `y_test`;
    others are ignored. Samples have any shape (N, ...), e.g. feature matrices
    (N, features). Floats are taken as they are; uint8 pixels are divided by
    255. Labels are integers from 0, shape (N,) or (N, 1).

    Args:
        path: Path of the archive, as `np.savez` writes it.

    Returns:
        A `ClassificationData`, whose `num_classes` is the largest label of
        both splits plus one.

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
    labels = {
        name: _labels(path, name, arrays[name])
        for name in ("y_train", "y_test")
    }
    return ClassificationData(
        name=path.stem,
        x_train=_samples(path, "x_train", arrays["x_train"]),
        x_test=_samples(path, "x_test", arrays["x_test"]),
        num_classes=1 + max(int(y.max(initial=-1)) for y in labels.values()),
        source=str(path),
        **labels,
    )


def to_unit_range(pixels: np.ndarray) -> np.ndarray:
    """uint8 pixels as float32 in [0, 1]: divided by 255."""
    return np.divide(pixels, 255, dtype=np.float32)


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(
                f"{path} is not an `.npz` archive, or only the beginning of "
                "one. Copy it again, or write it with `np.savez`."
            )
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            missing = [name for name in _NAMES if name not in archive.files]
            if missing:
                raise ValueError(
                    f"{path} must hold the arrays {', '.join(_NAMES)}. "
                    f"Missing: {', '.join(missing)}. Present: "
                    f"{', '.join(archive.files) or 'none'}."
                )
            return {name: _array(path, archive, name) for name in _NAMES}


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
            "objects."
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
    if x.dtype not in (np.float16, np.float32, np.float64):
        raise ValueError(
            f"`{name}` of {path} must be floats, or uint8 pixels. Received: "
            f'dtype {x.dtype}. Save e.g. `{name}.astype("float32")`.'
        )
    return x


def _labels(path: pathlib.Path, name: str, y: np.ndarray) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        # The shape of `keras.datasets.cifar10`.
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` of {path} must be integer labels, shape (N,). Received: "
            f"dtype {y.dtype}, shape {y.shape}. Save e.g. "
            f'`{name}.astype("int64")`, and one-hot rows as '
            f"`{name}.argmax(axis=1)`."
        )
    if y.min(initial=0) < 0:
        raise ValueError(
            f"`{name}` of {path} must be labels from 0. Received: labels down "
            f"to {y.min()}."
        )
    return y.astype(np.int64)
