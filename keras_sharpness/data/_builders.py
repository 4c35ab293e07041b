"""Finds and prepares data sets of TensorFlow Datasets."""

import contextlib
import copy
import difflib
import os
import re
import sys
import tempfile
import urllib.error
from typing import TYPE_CHECKING

from keras_sharpness.data import mnist_5k, patches

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

SHIPPED = {"mnist_5k": mnist_5k, "patches": patches}
_WELL_KNOWN = (
    *SHIPPED,
    "mnist",
    "fashion_mnist",
    "kmnist",
    "emnist",
    "cifar10",
    "cifar100",
    "svhn_cropped",
)
# Seconds for the first answer of the server. TFDS itself asks ten times with
# growing pauses, 200 seconds in all, before it says that there is no network.
_PATIENCE = 5


def find_builder(
    name: str, data_dir: str | os.PathLike | None
) -> "tfds.core.DatasetBuilder":
    """The TFDS builder of that name; `ValueError` if there is none.

    Args:
        name: String, as in `tfds.load`: `"mnist"`, `"emnist/letters"`.
        data_dir: Path of TFDS' data folder; `None` is TFDS' default.

    Returns:
        The builder; nothing is downloaded yet.
    """
    import tensorflow_datasets as tfds

    if data_dir is not None:
        data_dir = os.path.expanduser(os.fspath(data_dir))
    if name in SHIPPED:
        return SHIPPED[name].Builder(data_dir=data_dir)
    # Sets of other makers ("huggingface:...") would be looked up online.
    if not re.fullmatch(r"\w+(/[^:]+)?(:[\d.*]+)?", name):
        raise _unknown(name)
    try:
        return tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        raise _unknown(name) from error
    # TFDS' answers to a wrong version and to a wrong configuration.
    except (AssertionError, ValueError) as error:
        known = tfds.builder_cls(re.match(r"\w+", name)[0])
        configurations = ", ".join(known.builder_configs) or "none"
        raise ValueError(
            f"There is no data set {name!r}. {known.name!r} has the version "
            f"{known.VERSION} and the configurations: {configurations}."
        ) from error


def prepare(
    builder: "tfds.core.DatasetBuilder", *, download: bool
) -> "tfds.core.DatasetBuilder":
    """Downloads and prepares the data set in its data folder, if needed.

    Args:
        builder: The builder of the data set.
        download: Boolean, whether the network may be used.

    Returns:
        A builder that has read what lies in the data folder.

    Raises:
        ConnectionError: If the data cannot be downloaded.
        OSError: If the data folder cannot be written to.
        RuntimeError: If the data set is not there and cannot be prepared.
    """
    if _is_prepared(builder):
        return builder
    shipped = builder.name in SHIPPED
    if not shipped and not download:
        raise RuntimeError(
            f"{_not_there(builder)}, and `download` is False. "
            f"{_remedy(builder)}"
        )
    _check_writable(builder)
    try:
        if shipped:
            _prepare_quietly(builder)
        else:
            _download(builder)
    except ConnectionError:
        raise
    except OSError as error:
        # Another process may have been faster: each prepares in a folder of
        # its own and renames it, which only the first one can.
        if not _is_prepared(builder):
            raise OSError(
                f"Cannot prepare {builder.name!r} in {builder.data_dir} "
                f"({error}). {_OTHER_FOLDER}"
            ) from error
    # The copy reads the folder; the loser of the race above would still look
    # for its own files.
    return copy.copy(builder)


def _is_prepared(builder: "tfds.core.DatasetBuilder") -> bool:
    # TFDS logs a warning where the folder is not there at all.
    if not builder.data_path.exists():
        return False
    if not builder.is_prepared():
        raise RuntimeError(
            f"The folder {builder.data_dir} is there, but the data set in it "
            "is not complete. Delete the folder and load again."
        )
    return True


def _prepare_quietly(builder: "tfds.core.DatasetBuilder") -> None:
    # TFDS announces a download and draws progress; there is none, and it takes
    # a second.
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        builder.download_and_prepare()


def _download(builder: "tfds.core.DatasetBuilder") -> None:
    import requests
    import tensorflow_datasets as tfds

    url = next(iter(builder.url_infos or ()), "")
    try:
        if url.startswith("http"):
            with requests.get(url, stream=True, timeout=_PATIENCE) as response:
                response.raise_for_status()
        # Progress belongs beside the output of a command, not into it.
        with contextlib.redirect_stdout(sys.stderr):
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(
                    try_download_gcs=False
                )
            )
    except (
        requests.exceptions.RequestException,
        urllib.error.URLError,
        tfds.download.DownloadError,
    ) as error:
        raise ConnectionError(
            f"{_not_there(builder)}, and it cannot be downloaded "
            f"({type(error).__name__}: {url or 'no address'}). "
            f"{_remedy(builder)}"
        ) from error
    # How TFDS says that a data set has to be fetched by hand, and how.
    except AssertionError as error:
        raise RuntimeError(
            f"{_not_there(builder)}, and it cannot be downloaded by itself: "
            f"{' '.join(str(error).split())}"
        ) from error


def _check_writable(builder: "tfds.core.DatasetBuilder") -> None:
    folder = os.fspath(builder.data_dir_root)
    if "://" in folder:
        return
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"Cannot write to {folder} ({error.strerror}), where "
            f"{builder.name!r} is prepared on first use. {_OTHER_FOLDER}"
        ) from error


_OTHER_FOLDER = (
    'Pass a folder that can be written to, e.g. `data_dir="data"`, or name '
    "one in the environment variable TFDS_DATA_DIR."
)


def _not_there(builder: "tfds.core.DatasetBuilder") -> str:
    return (
        f"The data set {builder.info.full_name!r} is not in "
        f"{builder.data_dir_root}"
    )


def _remedy(builder: "tfds.core.DatasetBuilder") -> str:
    name = builder.info.full_name.rpartition("/")[0]
    folder = name.split("/")[0]
    return (
        "Prepare it on a machine with a network connection by "
        '`python -c "import keras_sharpness as ks; '
        f"ks.data.load('{name}', data_dir='tfds')\"`, and copy its folder "
        f"tfds/{folder} into {builder.data_dir_root}; or load an `.npz` "
        "archive of your own; or load "
        f"{' or '.join(map(repr, SHIPPED))}, which need no network."
    )


def _unknown(name: str) -> ValueError:
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    close = difflib.get_close_matches(name.lower(), [*SHIPPED, *known], n=3)
    guess = f" Did you mean {' or '.join(close)}?" if close else ""
    return ValueError(
        f"There is no data set {name!r}.{guess} Pass the name of an image "
        "classification set of TensorFlow Datasets, e.g. "
        f"{', '.join(_WELL_KNOWN)}, or the path of an `.npz` archive."
    )
