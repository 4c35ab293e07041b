import hashlib
import pickle
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from keras_sharpness import models
from keras_sharpness.saving import (
    KerasSharpnessError,
    LayerDescription,
    ModelFileError,
    UnsafeModelError,
    inspect_model,
    inspect_model_file,
)
from keras_sharpness.saving.stored_arrays import listing
from tests.saving.files import (
    CONFIG,
    METADATA,
    WEIGHTS,
    members,
    with_config,
    with_weights,
    write_archive,
)


def lines_of(error):
    return str(error.value).splitlines()


def test_what_a_file_says_of_itself(small):
    model = inspect_model(str(small))
    assert model.name == str(small)
    assert model.size == small.stat().st_size
    assert model.sha256 == hashlib.sha256(small.read_bytes()).hexdigest()
    assert model.keras_version == keras.__version__
    assert model.date_saved.startswith("20")
    assert model.model_class == "Sequential"
    assert model.input_shapes == ((None, 4, 4, 1),)
    assert model.output_shapes == ((None, 2),)
    assert (model.optimizer, model.loss) == ("Adam", "mse")
    assert model.non_finite == ()
    assert model.has_batch_norm


def test_layers_in_the_order_of_the_model(small):
    """The loss and the optimizer of the compiled model are no layers."""
    norm = ((2,), (2,), (2,), (2,))
    image = (None, 2, 2, 2)
    assert inspect_model(small).layers == (
        LayerDescription("conv", "Conv2D", 20, ((3, 3, 1, 2), (2,)), image),
        LayerDescription("norm", "BatchNormalization", 8, norm, image),
        LayerDescription("relu", "Activation", 0, (), image),
        LayerDescription("flatten", "Flatten", 0, (), (None, 8)),
        LayerDescription("dense", "Dense", 27, ((8, 3), (3,)), (None, 3)),
        LayerDescription("last", "Dense", 8, ((3, 2), (2,)), (None, 2)),
    )
    assert inspect_model(small).layer_classes == (
        "Conv2D",
        "BatchNormalization",
        "Activation",
        "Flatten",
        "Dense",
    )


def test_content_in_place_of_a_path(small):
    content = small.read_bytes()
    for source in (content, bytearray(content), memoryview(content)):
        assert inspect_model(source).name == "the model"
    model = inspect_model(content, name="upload.keras")
    assert model.name == "upload.keras"
    assert model.sha256 == inspect_model(small).sha256


def test_the_name_from_before(small):
    assert inspect_model_file(small) == inspect_model(small)


def test_descriptions_can_be_kept_and_compared(small):
    model = inspect_model(small)
    assert pickle.loads(pickle.dumps(model)) == model
    assert hash(model) == hash(inspect_model(small))


def test_errors_can_be_kept(tmp_path):
    with pytest.raises(ModelFileError) as caught:
        inspect_model(tmp_path)
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value)
    assert f"{error.headline} {error.remedy}" == str(error)


def test_shapes_of_a_functional_model(tmp_path):
    a = keras.Input((6, 4), name="a")
    b = keras.Input((None, 4), name="b")
    attended = keras.layers.MultiHeadAttention(2, 3, name="attend")(a, b)
    pooled = keras.layers.GlobalAveragePooling1D(name="pool")(a + attended)
    outputs = {
        "one": keras.layers.Dense(2, name="one")(pooled),
        "two": keras.layers.Softmax(name="two")(pooled),
    }
    keras.Model([a, b], outputs).save(tmp_path / "a.keras")
    model = inspect_model(tmp_path / "a.keras")
    assert model.input_shapes == ((None, 6, 4), (None, None, 4))
    assert model.output_shapes == ((None, 2), (None, 4))
    found = {layer.name: layer.output_shape for layer in model.layers}
    assert found == {
        "attend": (None, 6, 4),
        "pool": (None, 4),
        "one": (None, 2),
        "two": (None, 4),
    }


def test_weights_that_are_not_finite(small, tmp_path):
    def change(file):
        file["layers/conv2d/vars/0"][0, 0, 0, 1] = np.nan
        file["layers/dense/vars/1"][2] = -np.inf

    path = with_weights(small, tmp_path / "a.keras", change)
    places = ("layers/conv2d/vars/0", "layers/dense/vars/1")
    assert inspect_model(path).non_finite == places


@pytest.mark.parametrize("value", [1.0, np.nan, np.inf])
def test_weights_in_bfloat16(tmp_path, value):
    dense = keras.layers.Dense(
        2, dtype="bfloat16", bias_initializer=keras.initializers.Constant(value)
    )
    keras.Sequential([keras.Input((3,)), dense]).save(tmp_path / "a.keras")
    model = inspect_model(tmp_path / "a.keras")
    assert model.parameters == 8
    bad = () if value == 1.0 else ("layers/dense/vars/1",)
    assert model.non_finite == bad


def test_custom_classes_by_name(tmp_path, small):
    node = {
        "module": "elsewhere",
        "class_name": "Mine",
        "config": {"name": "mine", "trainable": True},
        "registered_name": "package>Mine",
    }

    def change(config):
        config["config"]["layers"] += [node, node]

    path = with_config(small, tmp_path / "a.keras", change)
    with pytest.raises(UnsafeModelError) as error:
        inspect_model(path)
    assert lines_of(error) == [
        f"Unknown layer class `elsewhere.Mine` in `{path}` (2 times). Only "
        "what comes with Keras and with this package is loaded from a file. If "
        "it is yours, load the model in Python: `ks.saving.load_model(path, "
        'custom_objects={"Mine": Mine})`.'
    ]
    for name in ("Mine", "package>Mine"):
        inspect_model(path, custom_objects={name: None})


def test_custom_losses_matter_only_where_they_are_loaded(small, tmp_path):
    def change(config):
        config["compile_config"]["loss"] = {
            "module": "builtins",
            "class_name": "function",
            "config": "my_loss",
            "registered_name": "my_loss",
        }

    path = with_config(small, tmp_path / "a.keras", change)
    assert inspect_model(path).loss == "my_loss"


def test_custom_objects_that_are_no_dict(small):
    message = r"`custom_objects` must be a dict .* Received: .* Pass e\.g\."
    with pytest.raises(ValueError, match=message):
        inspect_model(small, custom_objects=["Mine"])


def test_layer_classes_inside_of_layers(tmp_path):
    inner = keras.Sequential(
        [keras.Input((5, 3)), keras.layers.Bidirectional(keras.layers.GRU(2))]
    )
    x = keras.Input((5, 3))
    y = keras.layers.Dense(1)(inner(x))
    keras.Model(x, y).save(tmp_path / "nested.keras")
    file = inspect_model(tmp_path / "nested.keras")
    assert file.model_class == "Functional"
    assert file.layer_classes == ("Sequential", "Bidirectional", "GRU", "Dense")


def test_model_class_that_saves_its_arguments(tmp_path):
    models.F1(seed=0).save(tmp_path / "f1.keras")
    file = inspect_model(tmp_path / "f1.keras")
    assert file.model_class == "F1"
    assert file.layer_classes == (
        "Flatten",
        "Dense",
        "BatchNormalization",
        "ReLU",
    )
    assert file.input_shapes == ((None, 28, 28, 1),)
    assert file.output_shapes == ((None, 10),)


def test_metadata_without_dates(small, tmp_path):
    contents = {**members(small), METADATA: b"{}"}
    file = inspect_model(write_archive(tmp_path / "a.keras", contents))
    assert file.keras_version == file.date_saved == "unknown"


def test_neither_keras_nor_tensorflow_is_imported(small, tmp_path):
    (tmp_path / "damaged.keras").write_bytes(small.read_bytes()[:500])
    code = """
import sys
from keras_sharpness.saving import ModelFileError, inspect_model
print(inspect_model(sys.argv[1]).layer_classes)
try:
    inspect_model(sys.argv[2])
except ModelFileError:
    print("refused")
print({"keras", "tensorflow"} & set(sys.modules))
"""
    arguments = [sys.executable, "-c", code, small, tmp_path / "damaged.keras"]
    printed = subprocess.check_output(arguments, text=True).splitlines()
    assert printed[0].startswith("('Conv2D', ")
    assert printed[1:] == ["refused", "set()"]


# -- files that are no models ------------------------------------------------


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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "config.json: Expecting value"),
        (b"{", "config.json: Expecting property name"),
        (b"\xff\xff", "config.json: 'utf-8' codec"),
        (b"[]", "config.json is not a description"),
        (b"{}", "config.json is not a description"),
    ],
    ids=["empty", "open", "bytes", "list", "object"],
)
def test_configuration_that_is_none(small, tmp_path, content, reason):
    contents = {**members(small), CONFIG: content}
    path = write_archive(tmp_path / "a.keras", contents)
    with pytest.raises(ModelFileError, match=reason):
        inspect_model(path)


def test_no_damage_of_weights_gets_through_as_another_error(small, tmp_path):
    """Damage that the checksums of the archive have been told of."""
    contents = members(small)
    whole = contents[WEIGHTS]
    generator = np.random.default_rng(0)
    refused = 0
    # The walk alone, and now and then in the process that it belongs to.
    for number in range(100):
        content = bytearray(whole)
        for position in generator.integers(len(whole), size=8):
            content[position] = generator.integers(256)
        if number % 10:
            found = listing(bytes(content), 1000)
            refused += not {"arrays", "groups"} <= set(found)
            continue
        path = tmp_path / "a.keras"
        write_archive(path, {**contents, WEIGHTS: bytes(content)})
        try:
            inspect_model(path)
        except ModelFileError:
            refused += 1
    assert refused > 30


def test_one_base_class_catches_all():
    assert issubclass(UnsafeModelError, ModelFileError)
    assert issubclass(ModelFileError, KerasSharpnessError)
