import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile

import keras
import numpy as np
import pytest

from keras_sharpness import models
from keras_sharpness.saving import (
    KerasSharpnessError,
    ModelFileError,
    UnsafeModelError,
    inspect_model_file,
)

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Path of a small model, not to be changed."""
    path = tmp_path_factory.mktemp("models") / "small.keras"
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(2, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
            keras.layers.Dense(2),
        ]
    )
    model.compile("adam", "mse")
    model.save(path)
    return path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_archive(path, contents, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def with_config(small, path, change):
    """A copy of a model file, its configuration changed."""
    contents = members(small)
    config = json.loads(contents[CONFIG])
    change(config)
    return write_archive(path, {**contents, CONFIG: json.dumps(config)})


def lines_of(error):
    return str(error.value).splitlines()


def test_what_a_file_says_of_itself(small):
    file = inspect_model_file(str(small))
    assert file.path == small
    assert file.size == os.path.getsize(small)
    assert file.sha256 == hashlib.sha256(small.read_bytes()).hexdigest()
    assert file.keras_version == keras.__version__
    assert file.date_saved.startswith("20")
    assert file.model_class == "Sequential"


def test_layer_classes_in_the_order_of_the_file(small):
    """The loss and the optimizer of the compiled model are no layers."""
    assert inspect_model_file(small).layer_classes == (
        "Conv2D",
        "BatchNormalization",
        "Activation",
        "Flatten",
        "Dense",
    )


def test_layer_classes_inside_of_layers(tmp_path):
    inner = keras.Sequential(
        [keras.Input((5, 3)), keras.layers.Bidirectional(keras.layers.GRU(2))]
    )
    x = keras.Input((5, 3))
    y = keras.layers.Dense(1)(inner(x))
    keras.Model(x, y).save(tmp_path / "nested.keras")
    file = inspect_model_file(tmp_path / "nested.keras")
    assert file.model_class == "Functional"
    assert file.layer_classes == ("Sequential", "Bidirectional", "GRU", "Dense")


def test_model_class_that_saves_its_arguments(tmp_path):
    models.F1(seed=0).save(tmp_path / "f1.keras")
    file = inspect_model_file(tmp_path / "f1.keras")
    assert file.model_class == "F1"
    assert file.layer_classes == ()


def test_metadata_without_dates(small, tmp_path):
    contents = {**members(small), METADATA: b"{}"}
    file = inspect_model_file(write_archive(tmp_path / "a.keras", contents))
    assert file.keras_version == file.date_saved == "unknown"


def test_neither_keras_nor_tensorflow_is_imported(small, tmp_path):
    (tmp_path / "damaged.keras").write_bytes(small.read_bytes()[:500])
    code = """
import sys
from keras_sharpness.saving import ModelFileError, inspect_model_file
print(inspect_model_file(sys.argv[1]).layer_classes)
try:
    inspect_model_file(sys.argv[2])
except ModelFileError:
    print("refused")
print({"keras", "tensorflow", "h5py"} & set(sys.modules))
"""
    arguments = [sys.executable, "-c", code, small, tmp_path / "damaged.keras"]
    printed = subprocess.check_output(arguments, text=True).splitlines()
    assert printed[0].startswith("('Conv2D', ")
    assert printed[1:] == ["refused", "set()"]


# -- files that are no models ------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(ModelFileError) as error:
        inspect_model_file(tmp_path / "none.keras")
    assert lines_of(error) == [
        f"There is no file {tmp_path / 'none.keras'}. Check the name and the "
        f"folder ({tmp_path})."
    ]


def test_folder(tmp_path):
    message = r"is a folder, not a `\.keras` file\. Save the model with"
    with pytest.raises(ModelFileError, match=message):
        inspect_model_file(tmp_path)


def test_path_below_a_file(small):
    message = r"cannot be opened \(Not a directory\)\. Check the path"
    with pytest.raises(ModelFileError, match=message):
        inspect_model_file(small / "a.keras")


def test_weights_without_architecture(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.save_weights(tmp_path / "a.weights.h5")
    message = r"weights but no architecture.*Save the whole model"
    with pytest.raises(ModelFileError, match=message):
        inspect_model_file(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("name", ["a.h5", "renamed.keras"])
def test_legacy_format_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    message = r"legacy HDF5 format, which can run code.*Save the model again"
    with pytest.raises(ModelFileError, match=message):
        inspect_model_file(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"PK", b"garbage" * 100])
def test_garbage(tmp_path, content):
    path = tmp_path / "a.keras"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as error:
        inspect_model_file(path)
    assert lines_of(error) == [
        f"{path} is not a readable Keras archive (not a zip archive; "
        f"{len(content)} bytes). It may be truncated or of another format. "
        'Save it again with `model.save("name.keras")`.'
    ]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated(small, tmp_path, share):
    path = tmp_path / "a.keras"
    content = small.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match="not a readable Keras archive"):
        inspect_model_file(path)


@pytest.mark.parametrize("name", [CONFIG, METADATA, WEIGHTS])
def test_missing_member(small, tmp_path, name):
    contents = members(small)
    del contents[name]
    path = write_archive(tmp_path / "a.keras", contents)
    with pytest.raises(ModelFileError, match=f"missing {name}; "):
        inspect_model_file(path)


def test_damaged_weights_are_named(small, tmp_path):
    contents = members(small)
    content = bytearray(small.read_bytes())
    content[content.index(contents[WEIGHTS]) + 1000] ^= 1
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ModelFileError, match=f"{WEIGHTS} is damaged"):
        inspect_model_file(tmp_path / "a.keras")


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
)
def test_no_damage_gets_through_as_another_error(small, tmp_path, compression):
    """Flipped bytes hit headers, flags, versions, names and streams."""
    path = tmp_path / "a.keras"
    whole = write_archive(path, members(small), compression).read_bytes()
    generator = np.random.default_rng(0)
    # The archive's headers lie at its ends; most of the rest is weights.
    near_ends = np.r_[0:300, len(whole) - 300 : len(whole)]
    refused = 0
    for round_ in range(400):
        content = bytearray(whole)
        where = near_ends if round_ % 2 else len(whole)
        for position in generator.choice(where, size=3):
            content[position] = generator.integers(256)
        path.write_bytes(content)
        try:
            inspect_model_file(path)
        except ModelFileError:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_nobody_uses(small, tmp_path, compression):
    path = write_archive(tmp_path / "a.keras", members(small), compression)
    with pytest.raises(ModelFileError, match="compressed in another way"):
        inspect_model_file(path)


def test_repacked_by_a_zip_program(small, tmp_path):
    path = tmp_path / "a.keras"
    write_archive(path, members(small), zipfile.ZIP_DEFLATED)
    assert inspect_model_file(path).model_class == "Sequential"


def deep(depth):
    return (
        b'{"class_name": "A", "config": ' + b"[" * depth + b"]" * depth + b"}"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "config.json: Expecting value"),
        (b"{", "config.json: Expecting property name"),
        (b"\xff\xff", "config.json: 'utf-8' codec"),
        (b"[]", "config.json is not a description"),
        (b"{}", "config.json is not a description"),
        (deep(100_000), "config.json: maximum recursion"),
        (b'{"class_name": ' + b"1" * 5000 + b"}", "config.json: Exceeds"),
    ],
    ids=["empty", "open", "bytes", "list", "object", "deep", "number"],
)
def test_configuration_that_is_none(small, tmp_path, content, reason):
    contents = {**members(small), CONFIG: content}
    path = write_archive(tmp_path / "a.keras", contents)
    with pytest.raises(ModelFileError, match=reason):
        inspect_model_file(path)


@pytest.mark.parametrize("name", [CONFIG, METADATA])
def test_json_too_large_is_not_unpacked(small, tmp_path, name):
    """64 MiB of spaces in a file of some 100 kB."""
    contents = {**members(small), name: b" " * (64 << 20)}
    path = write_archive(tmp_path / "a.keras", contents, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=f"{name} is too large"):
            inspect_model_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Far below the 64 MiB; the other JSON member may have up to 5 MiB.
    assert peak < 16 << 20


def test_configuration_within_the_recursion_limit(small, tmp_path):
    """What the JSON parser lets through must not overflow the search."""
    contents = {**members(small), CONFIG: deep(900)}
    path = write_archive(tmp_path / "a.keras", contents)
    assert inspect_model_file(path).model_class == "A"


# -- files that would run code ------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.layers", "Lambda"),
        ("keras", "layers.Lambda"),
        ("keras.src.layers.core.lambda_layer", "Lambda"),
        (None, "some_package>Lambda"),
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "TorchModuleWrapper"),
        ("keras.layers", "JaxLayer"),
        ("keras.layers", "FlaxLayer"),
        ("builtins", "__lambda__"),
    ],
)
@pytest.mark.parametrize("place", ["layer", "nested", "initializer", "loss"])
def test_classes_that_carry_code_are_refused(
    small, tmp_path, module, name, place
):
    node = {"module": module, "class_name": name, "config": {}}

    def change(config):
        layers = config["config"]["layers"]
        if place == "layer":
            layers.append(node)
        elif place == "nested":
            layers.append({"class_name": "Wrapper", "config": {"layer": node}})
        elif place == "initializer":
            layers[-1]["config"]["kernel_initializer"] = node
        else:
            config["compile_config"]["loss"] = node

    path = with_config(small, tmp_path / "a.keras", change)
    with pytest.raises(UnsafeModelError) as error:
        inspect_model_file(path)
    assert lines_of(error) == [
        f"Refused: {path} holds a `{name}`, which can carry code that runs "
        "when the model is loaded. Replace it by a built-in layer, or load a "
        "file you trust with `keras` yourself."
    ]


def test_names_that_only_resemble_are_let_through(small, tmp_path):
    def change(config):
        node = {"class_name": "LambdaRank", "config": {}}
        config["config"]["layers"].append(node)

    path = with_config(small, tmp_path / "a.keras", change)
    assert inspect_model_file(path).model_class == "Sequential"


def test_one_base_class_catches_all():
    assert issubclass(UnsafeModelError, ModelFileError)
    assert issubclass(ModelFileError, KerasSharpnessError)
