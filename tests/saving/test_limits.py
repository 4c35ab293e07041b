"""What a small file may ask for: time, memory and activations."""

import struct

import keras
import pytest

from keras_sharpness.saving import (
    Limits,
    ModelFileError,
    UnsafeModelError,
    inspect_model,
    load_model,
    load_weights,
)
from tests.saving import (  # noqa: F401
    hostile_archives,
    hostile_configurations,
    hostile_graphs,
    hostile_layers,
    hostile_weights,
)
from tests.saving.files import (
    WEIGHTS,
    members,
    write_archive,
)


def endless(content):
    """An HDF5 file whose list of free places leads back to itself."""
    content = bytearray(content)
    start = content.index(b"HEAP")
    # Signature, version, size; then the first free place, and where places
    # are counted from.
    head, data = struct.unpack_from("<QQ", content, start + 16)
    assert head != 1, "no free place"
    struct.pack_into("<Q", content, data + head, head)
    return bytes(content)


def test_weights_without_end_are_given_up(small, tmp_path):
    contents = members(small)
    contents[WEIGHTS] = endless(contents[WEIGHTS])
    path = write_archive(tmp_path / "a.keras", contents)
    for read in (inspect_model, load_model):
        with pytest.raises(ModelFileError, match=r"damaged|not a readable"):
            read(path, limits=Limits(seconds=1))


def test_a_file_of_weights_without_end_is_given_up(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    path = tmp_path / "a.weights.h5"
    model.save_weights(path)
    path.write_bytes(endless(path.read_bytes()))
    with pytest.raises(ModelFileError, match=r"damaged|not a readable"):
        load_weights(model, path, limits=Limits(seconds=1))


def test_a_file_over_the_limit_is_not_read(small):
    size = small.stat().st_size
    limits = Limits(file_bytes=size - 1)
    message = r"is \d\d.* kB; the limit is \d\d.* kB\. Load it in Python"
    for source in (small, small.read_bytes()):
        with pytest.raises(ModelFileError, match=message):
            inspect_model(source, limits=limits)
    assert inspect_model(small, limits=Limits(file_bytes=size)).size == size


def test_members_over_the_limit_together(small):
    message = r"its members unpack to \d\d.* kB; the limit is 10 kB"
    with pytest.raises(UnsafeModelError, match=message):
        inspect_model(small, limits=Limits(unpacked_bytes=10_000))


def test_too_many_parts_of_the_weights(small):
    message = r"`model\.weights\.h5` has too many parts; the limit is 10"
    with pytest.raises(UnsafeModelError, match=message):
        inspect_model(small, limits=Limits(objects=10))
