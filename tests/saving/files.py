"""Model files for the tests: a small good one, and changes to it."""

import io
import json
import zipfile

import h5py
import keras

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


def small_model():
    """A compiled model of 4 x 4 images and two outputs."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1), name="pixels"),
            keras.layers.Conv2D(2, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Activation("relu", name="relu"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(3, name="dense"),
            keras.layers.Dense(2, name="last"),
        ]
    )
    model.compile("adam", "mse")
    return model


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_archive(path, contents, compression=zipfile.ZIP_STORED):
    """Writes pairs of names and contents, or a dict of them."""
    pairs = contents.items() if isinstance(contents, dict) else contents
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in pairs:
            archive.writestr(name, content)
    return path


def with_config(source, path, change):
    """A copy of a model file, its configuration changed in place."""
    contents = members(source)
    config = json.loads(contents[CONFIG])
    change(config)
    return write_archive(path, {**contents, CONFIG: json.dumps(config)})


def with_weights(source, path, change):
    """A copy of a model file, its open HDF5 file changed in place."""
    contents = members(source)
    buffer = io.BytesIO(contents[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        change(file)
    return write_archive(path, {**contents, WEIGHTS: buffer.getvalue()})


def layer(module, class_name, config=None, **more):
    """The configuration of an object, as Keras writes it."""
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": "evil", "trainable": True} | (config or {}),
        "registered_name": None,
        **more,
    }
