"""Files that are no archives of Keras, or damaged ones."""

import os
import zipfile

import keras
import numpy as np
import pytest

from keras_sharpness.saving import (
    ModelFileError,
    inspect_model,
)
from tests.saving import (  # noqa: F401
    hostile_archives,
    hostile_configurations,
    hostile_graphs,
    hostile_layers,
    hostile_weights,
)
from tests.saving.files import (
    CONFIG,
    METADATA,
    WEIGHTS,
    members,
    write_archive,
)


def lines_of(error):
    return str(error.value).splitlines()


def test_missing_file(tmp_path):
    with pytest.raises(ModelFileError) as error:
        inspect_model(tmp_path / "none.keras")
    assert lines_of(error) == [
        f"There is no file {tmp_path / 'none.keras'}. Check the name and the "
        f"folder ({tmp_path})."
    ]


def test_folder(tmp_path):
    message = r"is a folder, not a `\.keras` file\. Save the model with"
    with pytest.raises(ModelFileError, match=message):
        inspect_model(tmp_path)


def test_path_below_a_file(small):
    message = r"cannot be opened \(Not a directory\)\. Check the path"
    with pytest.raises(ModelFileError, match=message):
        inspect_model(small / "a.keras")


def test_weights_without_architecture(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.save_weights(tmp_path / "a.weights.h5")
    message = r"weights but no architecture.*Save the whole model"
    with pytest.raises(ModelFileError, match=message):
        inspect_model(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("name", ["a.h5", "renamed.keras"])
def test_legacy_format_whatever_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    message = r"legacy HDF5 format\..*can run code.*Save the model again"
    with pytest.raises(ModelFileError, match=message):
        inspect_model(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"PK", b"garbage" * 100])
def test_garbage(tmp_path, content):
    path = tmp_path / "a.keras"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as error:
        inspect_model(path)
    assert lines_of(error) == [
        f"`{path}` is not a readable Keras archive (not a zip archive). It "
        f"may be truncated or of another format; {len(content)} bytes were "
        'received. Save it again with `model.save("name.keras")`.'
    ]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated(small, tmp_path, share):
    path = tmp_path / "a.keras"
    content = small.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match="not a readable Keras archive"):
        inspect_model(path)


@pytest.mark.parametrize("name", [CONFIG, METADATA, WEIGHTS])
def test_missing_member(small, tmp_path, name):
    contents = members(small)
    del contents[name]
    path = write_archive(tmp_path / "a.keras", contents)
    with pytest.raises(ModelFileError, match=rf"missing {name}\)\. "):
        inspect_model(path)


def test_damaged_weights_are_named(small, tmp_path):
    contents = members(small)
    content = bytearray(small.read_bytes())
    content[content.index(contents[WEIGHTS]) + 1000] ^= 1
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(
        ModelFileError, match=f"Bad CRC-32 for file '{WEIGHTS}'"
    ):
        inspect_model(tmp_path / "a.keras")


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
            inspect_model(path)
        except ModelFileError:
            refused += 1
    assert refused > 200


def test_repacked_by_a_zip_program(small, tmp_path):
    path = tmp_path / "a.keras"
    write_archive(path, members(small), zipfile.ZIP_DEFLATED)
    assert inspect_model(path).model_class == "Sequential"


def test_a_named_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.keras")
    with pytest.raises(ModelFileError, match="is no regular file"):
        inspect_model(tmp_path / "a.keras")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_nobody_uses(small, tmp_path, compression):
    path = write_archive(tmp_path / "a.keras", members(small), compression)
    with pytest.raises(ModelFileError, match="compressed in another way"):
        inspect_model(path)
