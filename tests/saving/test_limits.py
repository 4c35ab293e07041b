"""What a small file may ask for: time, memory and activations."""

import json
import struct

import keras
import numpy as np
import pytest

from keras_sharpness.saving import (
    Limits,
    ModelFileError,
    UnsafeModelError,
    inspect_model,
    load_model,
    load_weights,
)
from tests.saving.files import (
    WEIGHTS,
    layer,
    members,
    small_model,
    write_archive,
)
from tests.saving.hostile_graphs import call, functional, node, tensor, write


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


def test_weights_of_a_file_come_back(tmp_path):
    layers = [keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")]
    model = keras.Sequential(layers)
    path = tmp_path / "a.weights.h5"
    model.save_weights(path)
    other = keras.models.clone_model(model)
    load_weights(other, path)
    for ours, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    wider = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    with pytest.raises(ModelFileError, match=r"could not be loaded: .* model"):
        load_weights(wider, path)
    with pytest.raises(ModelFileError, match="There is no file"):
        load_weights(model, tmp_path / "b.weights.h5")


def in_a_row(class_name, name, shape, **config):
    """A layer on the input, and its mean."""
    first = node(class_name, name, call(tensor("in", shape=shape)), **config)
    return functional([first], name, shape=shape)


BILLION = 1_000_000_000
IMAGE = (None, 4, 4, 1)
LARGE = {
    "repeated": (in_a_row("RepeatVector", "r", (None, 4), n=BILLION), 4e9),
    "enlarged": (
        in_a_row("UpSampling2D", "u", IMAGE, size=[50_000, 50_000]),
        4e10,
    ),
    "padded": (
        in_a_row("ZeroPadding1D", "p", (None, 4, 1), padding=BILLION),
        2e9 + 4,
    ),
    "resized": (
        in_a_row("Resizing", "r", IMAGE, height=100_000, width=100_000),
        1e10,
    ),
    "encoded": (
        in_a_row(
            "CategoryEncoding",
            "c",
            (None, 4),
            num_tokens=BILLION,
            output_mode="multi_hot",
        ),
        1e9,
    ),
    "fixed_batch": (in_a_row("ReLU", "r", (BILLION, 4)), 4e9),
    "broadcast": (
        functional(
            [
                node(
                    "Reshape",
                    name,
                    call(tensor("in", shape=(None, 50_000))),
                    target_shape=shape,
                )
                for name, shape in (("a", [50_000, 1]), ("b", [1, 50_000]))
            ]
            + [node("Add", "s", call([tensor("a"), tensor("b")]))],
            "s",
            shape=(None, 50_000),
        ),
        2 * 50_000 + 50_000**2,
    ),
    # As many scores as pairs of places; the rest is what layers return.
    "attention": (
        functional(
            [
                node("RepeatVector", "r", call(tensor("in")), n=100_000),
                node("Attention", "a", call([tensor("r"), tensor("r")])),
            ],
            "a",
        ),
        1e10 + 2 * 4e5,
    ),
    # The inner model has no size of its own; 16 times 4 numbers to 1e8.
    "in_a_model": (
        functional(
            [
                {
                    **in_a_row(
                        "UpSampling1D", "u", (None, None, 1), size=25_000_000
                    ),
                    "name": "f",
                    "inbound_nodes": [call(tensor("in", shape=(None, 40, 1)))],
                }
            ],
            "f",
            name="outer",
            shape=(None, 40, 1),
        ),
        2 * 40 * 25e6,
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_activations_are_counted_before_anything_runs(small, tmp_path, name):
    config, count = LARGE[name]
    path = write(config, small, tmp_path / "a.keras")
    number = f"{int(count):,}"
    with pytest.raises(UnsafeModelError, match=f"make {number} numbers of one"):
        load_model(path, limits=Limits())


def test_activations_up_to_the_limit(tmp_path):
    """Convolution 2 x 2 x 2, its statistics twice, and what Dense returns."""
    path = tmp_path / "a.keras"
    small_model().save(path)
    # conv, norm, relu, flatten with 8 numbers each, then 3 and 2.
    assert load_model(path, limits=Limits(activations=37)).count_params() > 0
    with pytest.raises(UnsafeModelError, match="make 37 numbers"):
        load_model(path, limits=Limits(activations=36))


def test_a_sequence_is_built_once(tmp_path):
    """Keras' own reading builds it for each layer, and leaves the calls."""
    layers = [keras.layers.Identity() for _ in range(20)]
    inner = keras.Sequential([keras.Input((3,)), keras.layers.ReLU(), *layers])
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(1)])
    model.save(tmp_path / "a.keras")
    loaded = load_model(tmp_path / "a.keras")
    assert type(loaded) is type(loaded.layers[0]) is keras.Sequential
    for one in (*loaded.layers, *loaded.layers[0].layers):
        assert len(one._inbound_nodes) == 1
    # As lists; Keras has some as tuples.
    assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())


def test_an_unbuilt_sequence_in_a_file(small, tmp_path):
    dense = layer("keras.layers", "Dense", {"name": "d", "units": 2})
    config = {"name": "s", "layers": [dense], "build_input_shape": [None, 4]}
    sequence = layer("keras", "Sequential", config)
    with pytest.raises(ModelFileError, match="could not be loaded"):
        load_model(write(sequence, small, tmp_path / "a.keras"))


def test_long_errors_are_cut(small, tmp_path):
    dense = layer("keras.layers", "Dense", {"units": "?" * 500_000})
    sequence = layer("keras", "Sequential", {"name": "s", "layers": [dense]})
    with pytest.raises(ModelFileError) as caught:
        load_model(write(sequence, small, tmp_path / "a.keras"))
    assert len(str(caught.value)) < 1000
