"""Files of older releases, written by hand from what those call things."""

import io
import json

import h5py
import keras
import numpy as np
import pytest

from keras_sharpness.saving import UnsafeModelError, inspect_model, load_model
from tests.saving.files import CONFIG, WEIGHTS, members, write_archive

layers = keras.layers
SERIES = np.linspace(-1, 1, 24, dtype="float32").reshape(3, 4, 2)
IMAGES = np.linspace(-1, 1, 48, dtype="float32").reshape(3, 4, 4, 1)


def rewritten(model, path, change):
    """A model's file, each part of its configuration changed in place."""
    model.save(path)
    contents = members(path)

    def parts(value):
        if isinstance(value, dict):
            change(value)
            for inner in value.values():
                parts(inner)
        elif isinstance(value, list):
            for inner in value:
                parts(inner)

    config = json.loads(contents[CONFIG])
    parts(config)
    return write_archive(path, {**contents, CONFIG: json.dumps(config)})


def check(model, path, x):
    assert inspect_model(path).parameters == model.count_params()
    ours, theirs = (m(x, training=False) for m in (model, load_model(path)))
    np.testing.assert_array_equal(ours, theirs)


def renamed(module, before, after, old_module=None):
    """A change of one name; what is not found fails."""

    def change(node):
        if (node.get("module"), node.get("class_name")) == (module, after):
            node["module"] = old_module or module
            node["class_name"] = before

    return change


def with_arguments(class_name, **arguments):
    def change(node):
        if node.get("class_name") == class_name:
            node["config"] |= arguments

    return change


RECURRENT = {
    "LSTM": layers.LSTM(3),
    "GRU": layers.GRU(3),
    "SimpleRNN": layers.SimpleRNN(3),
    "Bidirectional": layers.Bidirectional(layers.LSTM(2)),
    "cells": layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)]),
}


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("change", ["initializer", "time_major"])
def test_recurrent_layers(tmp_path, name, change):
    model = keras.Sequential(
        [keras.Input((4, 2)), RECURRENT[name], layers.Dense(2)]
    )
    changes = {
        "initializer": renamed(
            "keras.initializers", "OrthogonalInitializer", "Orthogonal"
        ),
        "time_major": lambda node: [
            with_arguments(kind, time_major=False)(node)
            for kind in ("LSTM", "GRU", "SimpleRNN", "RNN")
        ],
    }
    path = rewritten(model, tmp_path / "a.keras", changes[change])
    check(model, path, SERIES)


def ops_model(operation):
    x = keras.Input((4, 2))
    return keras.Model(x, layers.Dense(2)(operation(x)))


def moved_arguments(class_name, **names):
    def change(node):
        if node.get("class_name") == class_name:
            config = node["config"]
            for before, now in names.items():
                config[before] = config.pop(now)

    return change


OPERATIONS = {
    "Reshape": (
        lambda x: keras.ops.reshape(x, (-1, 8)),
        moved_arguments("Reshape", new_shape="newshape"),
    ),
    "Threshold": (
        lambda x: keras.ops.threshold(x, 0.5, 0.25),
        moved_arguments(
            "Threshold", threshold_value="threshold", value="default_value"
        ),
    ),
    "Qr": (
        lambda x: keras.ops.qr(x)[0],
        renamed("keras.src.ops.linalg", "Qr", "Qr", "keras.src.ops.math"),
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(tmp_path, name):
    operation, change = OPERATIONS[name]
    model = ops_model(operation)
    check(model, rewritten(model, tmp_path / "a.keras", change), SERIES)


IMAGE_LAYERS = {
    "DepthwiseConv2D": (layers.DepthwiseConv2D(2), {"groups": 1}),
    "SeparableConv2D": (layers.SeparableConv2D(2, 2), {"groups": 1}),
    "Conv2DTranspose": (layers.Conv2DTranspose(2, 2), {"groups": 1}),
    "RandomRotation": (layers.RandomRotation(0.1), {"value_range": [0, 255]}),
}


@pytest.mark.parametrize("name", IMAGE_LAYERS)
def test_arguments_that_are_gone(tmp_path, name):
    layer, arguments = IMAGE_LAYERS[name]
    model = keras.Sequential([keras.Input((4, 4, 1)), layer, layers.Flatten()])
    change = with_arguments(name, **arguments)
    check(model, rewritten(model, tmp_path / "a.keras", change), IMAGES)


def test_other_names(tmp_path):
    dense = layers.Dense(2, kernel_initializer="identity")
    model = keras.Sequential([keras.Input((2,)), dense])
    changes = [
        renamed("keras.initializers", "IdentityInitializer", "Identity"),
        renamed("keras", "DTypePolicy", "DTypePolicy", "keras.mixed_precision"),
    ]
    for change in changes:
        path = rewritten(model, tmp_path / "a.keras", change)
        check(model, path, SERIES[:, 0])


def test_a_layer_that_is_kept_for_older_files(tmp_path):
    old = keras.saving.deserialize_keras_object(
        {
            "module": "keras._legacy.layers",
            "class_name": "ThresholdedReLU",
            "config": {"name": "t", "theta": 0.5},
            "registered_name": None,
        }
    )
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3), old])
    model.save(tmp_path / "a.keras")
    check(model, tmp_path / "a.keras", SERIES[:, 0])


@pytest.mark.parametrize(
    "module", ["keras.src.engine.functional", "keras.engine.functional"]
)
def test_a_functional_model_of_keras_2(tmp_path, module):
    """Calls are lists, and weights stand below another group."""
    x = keras.Input((2,), name="x")
    hidden = layers.Dense(3, "tanh", name="hidden")(x)
    model = keras.Model(x, layers.Dense(2, name="last")(hidden))

    def change(node):
        renamed(
            "keras.src.models.functional", "Functional", "Functional", module
        )(node)
        node.pop("shared_object_id", None)
        for index, call in enumerate(node.get("inbound_nodes", ())):
            history = call["args"][0]["config"]["keras_history"]
            node["inbound_nodes"][index] = [[*history, {}]]

    path = rewritten(model, tmp_path / "a.keras", change)
    contents = members(path)
    buffer = io.BytesIO(contents[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    write_archive(path, {**contents, WEIGHTS: buffer.getvalue()})
    check(model, path, SERIES[:, 0])
    assert [row.parameters for row in inspect_model(path).layers] == [9, 8]


def test_arguments_that_meant_something_are_not_dropped(tmp_path):
    model = keras.Sequential([keras.Input((4, 2)), layers.GRU(3)])
    change = with_arguments("GRU", time_major=True)
    path = rewritten(model, tmp_path / "a.keras", change)
    with pytest.raises(Exception, match="time_major"):
        load_model(path)


def test_an_older_name_says_no_more_than_it_said(tmp_path):
    """What is registered under another name is still refused."""
    model = keras.Sequential([keras.Input((4, 2)), layers.GRU(3)])

    def change(node):
        if node.get("class_name") == "Orthogonal":
            node["class_name"] = "OrthogonalInitializer"
            node["registered_name"] = "other>Orthogonal"

    path = rewritten(model, tmp_path / "a.keras", change)
    with pytest.raises(UnsafeModelError, match="registered as"):
        load_model(path)
