"""Loading the weights of a file into a model of one's own."""

import keras
import numpy as np
import pytest

from keras_sharpness import saving


class Product(keras.layers.Layer):
    """A layer that no file may name: `x W`."""

    def build(self, shape):
        """Makes W."""
        self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

    def call(self, x):
        """The product."""
        return keras.ops.matmul(x, self.kernel)


def network(seed):
    keras.utils.set_random_seed(seed)
    layers = [
        keras.Input((3,)),
        Product(),
        keras.layers.BatchNormalization(),
    ]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    return model


@pytest.fixture
def trained():
    """A model whose optimizer and moving statistics have been used."""
    model = network(0)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(8, 3)).astype("float32")
    model.fit(x, x[:, :2], epochs=2, verbose=0)
    return model


@pytest.mark.parametrize("name", ["own.keras", "own.weights.h5"])
def test_weights_of_own_layers_come_back(tmp_path, trained, name):
    path = tmp_path / name
    if name.endswith(".keras"):
        trained.save(path)
        with pytest.raises(saving.UnsafeModelError, match="Product"):
            saving.load_model(path)
    else:
        trained.save_weights(path)
    other = network(1)
    # As whoever measures and does not go on training.
    other.optimizer = None
    saving.load_weights(other, path)
    for one, same in zip(trained.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, same)


def test_an_archive_of_another_network_is_refused(tmp_path, trained):
    trained.save(tmp_path / "own.keras")
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(saving.ModelFileError, match=r"own\.keras"):
        saving.load_weights(other, tmp_path / "own.keras")


def test_weights_of_a_file_come_back(tmp_path):
    layers = [keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")]
    model = keras.Sequential(layers)
    path = tmp_path / "a.weights.h5"
    model.save_weights(path)
    other = keras.models.clone_model(model)
    saving.load_weights(other, path)
    for ours, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    wider = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    with pytest.raises(
        saving.ModelFileError, match=r"could not be loaded: .* model"
    ):
        saving.load_weights(wider, path)
    with pytest.raises(saving.ModelFileError, match="There is no file"):
        saving.load_weights(model, tmp_path / "b.weights.h5")
