import hashlib
import subprocess
import sys

import keras
import pytest

from keras_sharpness import models
from keras_sharpness.saving import (
    inspect_model,
    inspect_model_file,
)


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


def test_content_in_place_of_a_path(small):
    content = small.read_bytes()
    for source in (content, bytearray(content), memoryview(content)):
        assert inspect_model(source).name == "the model"
    model = inspect_model(content, name="upload.keras")
    assert model.name == "upload.keras"
    assert model.sha256 == inspect_model(small).sha256


def test_the_name_from_before(small):
    assert inspect_model_file(small) == inspect_model(small)


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
