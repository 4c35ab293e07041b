"""Hostile files: weights that reach outside, or claim what is not there."""

import h5py
import numpy as np

from keras_sharpness.saving import ModelFileError
from tests.saving.files import WEIGHTS, members, with_weights, write_archive
from tests.saving.hostile import hostile

PLACE = "layers/dense/vars/0"
STRANGE = rf"Refused: `{PLACE}` among the weights of `.*` {{}}.*altered"


def hostile_weights(what):
    """Enters a function `change(file, folder)` of an open HDF5 file."""

    def enter(change):
        def build(small, path):
            def clear_and_change(file):
                del file[PLACE]
                change(file, path.parent)

            with_weights(small, path, clear_and_change)

        build.__name__ = change.__name__
        return hostile(STRANGE.format(what))(build)

    return enter


def secret(folder):
    """A file of somebody else that a hostile file would read."""
    path = folder / "secret.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.ones((8, 3), "float32")
    return str(path)


@hostile_weights("is a link to another file")
def external_link(file, folder):
    file[PLACE] = h5py.ExternalLink(secret(folder), "numbers")


@hostile_weights("is a soft link")
def soft_link(file, folder):
    file[PLACE] = h5py.SoftLink("/layers/dense_1/vars/0")


@hostile_weights("is stored in another file")
def external_storage(file, folder):
    (folder / "secret.bin").write_bytes(bytes(96))
    file.create_dataset(
        PLACE,
        (8, 3),
        "float32",
        external=[(str(folder / "secret.bin"), 0, 96)],
    )


@hostile_weights("is put together from other files")
def virtual_array(file, folder):
    layout = h5py.VirtualLayout((8, 3), "float32")
    layout[:] = h5py.VirtualSource(secret(folder), "numbers", (8, 3))
    file.create_virtual_dataset(PLACE, layout)


@hostile_weights("is put together from other files")
def virtual_array_without_end(file, folder):
    """To learn its extent, HDF5 would open the other file."""
    layout = h5py.VirtualLayout((8, 3), "float32", maxshape=(None, 3))
    source = h5py.VirtualSource(
        secret(folder), "numbers", (8, 3), maxshape=(None, 3)
    )
    unlimited = h5py.h5s.UNLIMITED
    layout[:unlimited] = source[:unlimited]
    file.create_virtual_dataset(PLACE, layout)


@hostile_weights("is stored by way of a filter")
def compressed_bomb(file, folder):
    file.create_dataset(
        PLACE, (1 << 40,), "float32", chunks=(1 << 20,), compression="gzip"
    )


@hostile_weights("is stored by way of a filter")
def filter_of_a_plugin(file, folder):
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((8, 3))
    # Of LZ4, which HDF5 would look for in a folder of libraries.
    made.set_filter(32004, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((8, 3))
    kind = h5py.h5t.IEEE_F32LE
    h5py.h5d.create(file["layers/dense/vars"].id, b"0", kind, space, made)


@hostile_weights("is stored in chunks")
def chunks_of_a_fill_value(file, folder):
    file.create_dataset(
        PLACE, (1 << 40,), "float32", chunks=(1 << 20,), fillvalue=1.0
    )


@hostile_weights("claims 4.4e.* GB and holds 0 bytes")
def array_that_was_never_written(file, folder):
    file.create_dataset(PLACE, (1 << 40,), "float32")


@hostile_weights("stands at two places")
def array_at_two_places(file, folder):
    file[PLACE] = file["layers/dense_1/vars/0"]


@hostile("stands at two places")
def group_inside_of_itself(small, path):
    def change(file):
        file["layers/dense/again"] = file["layers"]

    with_weights(small, path, change)


@hostile_weights("does not hold numbers")
def array_of_texts(file, folder):
    file.create_dataset(PLACE, (3,), h5py.string_dtype())


@hostile_weights("does not hold numbers")
def array_of_references(file, folder):
    file.create_dataset(PLACE, (3,), h5py.ref_dtype)


@hostile_weights("does not hold numbers")
def array_of_records(file, folder):
    file.create_dataset(PLACE, (3,), [("a", "f4"), ("b", "f4")])


@hostile_weights("has no extent")
def array_without_extent(file, folder):
    file[PLACE] = h5py.Empty("f")


@hostile_weights("is neither a group nor an array")
def named_type(file, folder):
    file[PLACE] = np.dtype("float32")


@hostile("among the weights of .* is nested deeper than 100")
def nested_groups(small, path):
    with_weights(small, path, lambda file: file.create_group("0/" * 200))


@hostile("`layers/dense/vars` among .* has an attribute that is no text")
def attribute_of_numbers(small, path):
    def change(file):
        file["layers/dense/vars"].attrs["more"] = np.ones(1000)

    with_weights(small, path, change)


@hostile("weights.h5 is no HDF5 file", ModelFileError)
def weights_of_another_format(small, path):
    write_archive(path, {**members(small), WEIGHTS: b"\x93NUMPY" + bytes(99)})


@hostile("weights.h5 is no HDF5 file", ModelFileError)
def weights_behind_something_else(small, path):
    """HDF5 would find its signature at a later place, too."""
    contents = members(small)
    shifted = b"MZ" + bytes(510) + contents[WEIGHTS]
    write_archive(path, {**contents, WEIGHTS: shifted})


@hostile("weights.h5: .*truncated", ModelFileError)
def weights_cut_off(small, path):
    contents = members(small)
    half = contents[WEIGHTS][: len(contents[WEIGHTS]) // 2]
    write_archive(path, {**contents, WEIGHTS: half})
