import keras
import pytest

from keras_sharpness.saving import (
    architecture_mismatch,
    data_mismatch,
    inspect_model,
)


def described(path, *layers, shape=(28, 28, 1)):
    keras.Sequential([keras.Input(shape), *layers]).save(path)
    return inspect_model(path.read_bytes(), name=path.name)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    """Description of a model of 28 x 28 images and three outputs."""
    path = tmp_path_factory.mktemp("models") / "a.keras"
    flatten = keras.layers.Flatten()
    return described(path, flatten, keras.layers.Dense(3, name="last"))


def test_data_that_fit(pixels):
    assert data_mismatch(pixels, (100, 28, 28, 1), num_classes=3) is None
    # Labels need not use all outputs, and may be no classes.
    assert data_mismatch(pixels, (100, 28, 28, 1), num_classes=2) is None
    assert data_mismatch(pixels, (100, 28, 28, 1)) is None
    # Keras adds the last axis.
    assert data_mismatch(pixels, (100, 28, 28)) is None


@pytest.mark.parametrize(
    "shape", [(60000, 784), (5, 28, 28, 3), (5, 1, 28, 28)]
)
def test_data_of_another_shape(pixels, shape):
    assert data_mismatch(pixels, shape) == (
        "Data do not fit the model: model expects (None, 28, 28, 1), data have "
        f"{shape}. Choose the data the model was trained on, or reshape them."
    )


def test_more_classes_than_outputs(pixels):
    message = data_mismatch(pixels, (100, 28, 28, 1), num_classes=10)
    assert message == (
        "Data do not fit the model: model returns (None, 3), data have 10 "
        "classes. Choose the data the model was trained on."
    )


def test_one_output_for_two_classes(tmp_path):
    layer = keras.layers.Dense(1)
    model = described(tmp_path / "a.keras", layer, shape=(4,))
    assert data_mismatch(model, (9, 4), num_classes=2) is None
    assert "10 classes" in data_mismatch(model, (9, 4), num_classes=10)


def test_free_sizes_fit_all(tmp_path):
    layer = keras.layers.GlobalAveragePooling1D()
    model = described(tmp_path / "a.keras", layer, shape=(None, 4))
    assert data_mismatch(model, (9, 7, 4), num_classes=2) is None
    assert "(None, None, 4)" in data_mismatch(model, (9, 7, 5))


def test_several_inputs(tmp_path):
    inputs = [keras.Input((3,)), keras.Input((3,))]
    model = keras.Model(inputs, keras.layers.Add()(inputs))
    model.save(tmp_path / "a.keras")
    message = data_mismatch(inspect_model(tmp_path / "a.keras"), (9, 3))
    assert "model expects 2 inputs, data have one" in message


def test_models_of_one_architecture(pixels, tmp_path):
    """Names and layers without weights do not matter."""
    other = described(
        tmp_path / "b.keras",
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(3, name="another"),
    )
    assert architecture_mismatch(pixels, other) is None
    assert architecture_mismatch(other, other) is None


@pytest.mark.parametrize(
    ("layer", "difference"),
    [
        (
            keras.layers.Dense(4, name="last"),
            "layer 1 `last` has shape (784, 3) in `a.keras` and `last` "
            "(784, 4) in `b.keras`",
        ),
        (
            keras.layers.Dense(3, use_bias=False, name="other"),
            "layer 1 `last` has shape (3,) in `a.keras` and `other` nothing in "
            "`b.keras`",
        ),
        (
            keras.layers.Softmax(),
            "`a.keras` has 1 layers with weights, `b.keras` 0",
        ),
    ],
)
def test_models_of_different_architectures(pixels, tmp_path, layer, difference):
    path = tmp_path / "b.keras"
    other = described(path, keras.layers.Flatten(), layer)
    assert architecture_mismatch(pixels, other) == (
        f"These minima cannot be interpolated: {difference}. Choose models of "
        "one architecture."
    )
