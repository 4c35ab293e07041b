"""What a `.keras` file says of itself, read without Keras or TensorFlow."""

import dataclasses
import hashlib
import json
import os
import pathlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from keras_sharpness.saving.errors import ModelFileError, UnsafeModelError

_CONFIG, _METADATA, _WEIGHTS = (
    "config.json",
    "metadata.json",
    "model.weights.h5",
)
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
# Classes whose configuration carries or names code that loading would run.
_CODE_CLASSES = {
    "FlaxLayer",
    "JaxLayer",
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "__lambda__",
}
_LARGEST_JSON = 5 << 20
# Keras stores, zip programs deflate.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for damaged, encrypted or exotic archives.
_UNREADABLE = (
    EOFError,
    OSError,
    RuntimeError,
    UnicodeDecodeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclasses.dataclass(frozen=True)
class ModelFile:
    """What a `.keras` file says of itself.

    Attributes:
        path: Path of the file.
        size: Int. Bytes.
        sha256: Str. Of the whole file.
        keras_version: Str.
        date_saved: Str.
        model_class: Str. Class of the model, e.g. `"Functional"`.
        layer_classes: Tuple of str. The distinct classes it is made of, in
            the order of the file; empty for a model class that saves its
            arguments in place of its layers, such as `F1`.
    """

    path: pathlib.Path
    size: int
    sha256: str
    keras_version: str
    date_saved: str
    model_class: str
    layer_classes: tuple[str, ...]


def inspect_model_file(path: str | os.PathLike) -> ModelFile:
    """Reads what a `.keras` file says of itself, and refuses what is no model.

    Neither Keras nor TensorFlow touches the file.

    Args:
        path: Path of a file that `model.save("name.keras")` wrote.

    Returns:
        A `ModelFile`.

    Raises:
        ModelFileError: If the file is missing, truncated, of another format,
            or holds no architecture.
        UnsafeModelError: If loading it could run code from the file.

    Example:

    ```python
    import pathlib
    import tempfile

    import keras
    import keras_sharpness as ks

    path = pathlib.Path(tempfile.mkdtemp(), "small.keras")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(path)
    assert ks.saving.inspect_model_file(path).layer_classes == ("Dense",)
    ```
    """
    path = pathlib.Path(path)
    _check_format(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            for name in (_CONFIG, _METADATA, _WEIGHTS):
                if name not in names:
                    raise ModelFileError(_unreadable(path, f"missing {name}"))
            for info in archive.infolist():
                if info.compress_type not in _COMPRESSIONS:
                    reason = f"{info.filename} is compressed in another way"
                    raise ModelFileError(_unreadable(path, reason))
            config = _read_json(archive, _CONFIG, path)
            metadata = _read_json(archive, _METADATA, path)
            damaged = archive.testzip()
    except _UNREADABLE as error:
        raise ModelFileError(_unreadable(path, str(error))) from error
    if damaged is not None:
        raise ModelFileError(_unreadable(path, f"{damaged} is damaged"))
    classes = list(dict.fromkeys(_class_names(config)))
    for name in classes:
        # Keras finds `layers.Lambda` in the module `keras`, too.
        if name.replace(">", ".").rpartition(".")[2] in _CODE_CLASSES:
            raise UnsafeModelError(
                f"Refused: {path} holds a `{name}`, which can carry code that "
                "runs when the model is loaded. Replace it by a built-in "
                "layer, or load a file you trust with `keras` yourself."
            )
    layers = [
        name
        for node in _nodes(config)
        if _is_layer(node)
        for name in [node["class_name"]]
        if name not in ("InputLayer", config["class_name"])
    ]
    return ModelFile(
        path=path,
        size=path.stat().st_size,
        sha256=_sha256(path),
        keras_version=str(metadata.get("keras_version", "unknown")),
        date_saved=str(metadata.get("date_saved", "unknown")),
        model_class=str(config["class_name"]),
        layer_classes=tuple(dict.fromkeys(layers)),
    )


def _check_format(path: pathlib.Path) -> None:
    if path.is_dir():
        raise ModelFileError(
            f"{path} is a folder, not a `.keras` file. Save the model with "
            '`model.save("name.keras")`.'
        )
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except FileNotFoundError as error:
        raise ModelFileError(
            f"There is no file {path}. Check the name and the folder "
            f"({path.parent.resolve()})."
        ) from error
    except OSError as error:
        raise ModelFileError(
            f"{path} cannot be opened ({error.strerror}). Check the path and "
            "the permissions."
        ) from error
    if magic.startswith(_HDF5_MAGIC):
        if path.name.endswith(".weights.h5"):
            raise ModelFileError(
                f"{path} holds weights but no architecture (made with "
                "`save_weights`). Save the whole model with "
                '`model.save("name.keras")`.'
            )
        raise ModelFileError(
            f"{path} is of the legacy HDF5 format, which can run code when it "
            'is loaded. Save the model again: `model.save("name.keras")`.'
        )
    if not magic.startswith(b"PK\x03\x04"):
        raise ModelFileError(_unreadable(path, "not a zip archive"))


def _unreadable(path: pathlib.Path, reason: str) -> str:
    size = path.stat().st_size
    return (
        f"{path} is not a readable Keras archive ({reason}; {size} bytes). It "
        "may be truncated or of another format. Save it again with "
        '`model.save("name.keras")`.'
    )


def _read_json(
    archive: zipfile.ZipFile, name: str, path: pathlib.Path
) -> dict[str, Any]:
    if archive.getinfo(name).file_size > _LARGEST_JSON:
        raise ModelFileError(_unreadable(path, f"{name} is too large"))
    try:
        values = json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(_unreadable(path, f"{name}: {error}")) from error
    if not isinstance(values, dict) or (
        name == _CONFIG and "class_name" not in values
    ):
        raise ModelFileError(_unreadable(path, f"{name} is not a description"))
    return values


def _nodes(config: Any) -> Iterator[dict[str, Any]]:
    # Without recursion: the depth of the file is not ours to choose.
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            stack.extend(reversed(value))


def _class_names(config: Any) -> Iterator[str]:
    for node in _nodes(config):
        if isinstance(node.get("class_name"), str):
            yield node["class_name"]


def _is_layer(node: dict[str, Any]) -> bool:
    module = str(node.get("module", ""))
    return isinstance(node.get("class_name"), str) and (
        module.startswith("keras.layers") or "build_config" in node
    )


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
