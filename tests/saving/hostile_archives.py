"""Hostile files: archives that are not what they say."""

import json
import os
import pickle
import struct
import warnings
import zipfile

import h5py

from keras_sharpness.saving import ModelFileError
from tests.saving.files import (
    CONFIG,
    METADATA,
    WEIGHTS,
    layer,
    members,
    write_archive,
)
from tests.saving.hostile import hostile


def enter_members(match, names):
    for name, member in names.items():

        def build(small, path, member=member):
            write_archive(path, {**members(small), member: b"evil"})

        build.__name__ = name
        hostile(match)(build)


enter_members(
    "a member whose name leaves the archive, `.*Keras archive has the members",
    {
        "member_above": "../evil.py",
        "member_above_in_the_middle": "assets/../../evil.py",
        "member_at_the_root": "/tmp/evil.py",
        "member_of_windows": "C:\\evil.py",
        "member_above_of_windows": "..\\evil.py",
    },
)
enter_members(
    "holds another member, `.*each once and nothing else",
    {"member_of_python": "evil.py", "member_of_npz": "model.weights.npz"},
)
enter_members("holds another archive, `", {"archive_inside": "inner.keras"})
enter_members(
    r"holds the asset `assets/_layer/vocabulary\.txt`.*prepare its inputs",
    {"asset": "assets/_layer/vocabulary.txt"},
)


@hostile(r"holds `config\.json` more than once")
def member_twice(small, path):
    contents = members(small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        write_archive(path, [*contents.items(), (CONFIG, b"{}")])


@hostile("a symbolic link, `config.json`")
def symbolic_link(small, path):
    contents = members(small)
    link = zipfile.ZipInfo(CONFIG)
    link.create_system, link.external_attr = 3, 0o120777 << 16
    pairs = [(METADATA, contents[METADATA]), (WEIGHTS, contents[WEIGHTS])]
    write_archive(path, [*pairs, (link, b"/etc/hostname")])


@hostile("an encrypted member, `metadata.json`")
def encrypted(small, path):
    content = bytearray(small.read_bytes())
    # The flags of the first member, in its own header and in the directory.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


@hostile("holds more than 100 members")
def many_members(small, path):
    more = {f"{number}": b"" for number in range(200)}
    write_archive(path, members(small) | more)


@hostile(r"`config\.json` has 67\.1 MB; the limit is 5\.24 MB")
def bomb_of_text(small, path):
    contents = {**members(small), CONFIG: b" " * (64 << 20)}
    write_archive(path, contents, zipfile.ZIP_DEFLATED)


@hostile(r"weights\.h5` unpacks from .* kB to 67\.1 MB; the limit is 100 times")
def bomb_of_weights(small, path):
    contents = {**members(small), WEIGHTS: bytes(64 << 20)}
    write_archive(path, contents, zipfile.ZIP_DEFLATED)


@hostile("Bad CRC-32.*Save it again", ModelFileError)
def bomb_that_lies_about_its_size(small, path):
    contents = {**members(small), CONFIG: b" " * (64 << 20)}
    write_archive(path, contents, zipfile.ZIP_DEFLATED)
    content, size = path.read_bytes(), struct.pack("<L", 64 << 20)
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, struct.pack("<L", 1000)))


@hostile("not a zip archive", ModelFileError)
def pickled(small, path):
    path.write_bytes(pickle.dumps(Touch(path.parent / "canary")))


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@hostile("is the legacy HDF5 format.*Save the model again", ModelFileError)
def legacy_format(small, path):
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(layer("keras", "Lambda"))
