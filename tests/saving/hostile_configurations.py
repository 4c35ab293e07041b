"""Hostile files: configurations that mislead, or ask for too much."""

import json

from keras_sharpness.saving import ModelFileError
from tests.saving.files import (
    CONFIG,
    layer,
    members,
    with_config,
    write_archive,
)
from tests.saving.hostile import hostile, with_layer


@hostile("Unknown class `evil_module.Loss`")
def compiled_model_inside(small, path):
    """Keras compiles the models inside even if it does not the whole."""

    def change(config):
        inner = json.loads(json.dumps(config))
        inner["compile_config"]["loss"] = {
            "module": "evil_module",
            "class_name": "Loss",
            "config": {},
            "registered_name": "Loss",
        }
        config["config"]["layers"].append(inner)

    with_config(small, path, change)


@hostile("Unknown layer class `Dense`")
def layer_of_the_old_format(small, path):
    """Without a module Keras takes a path of its own, with fewer guards."""

    def change(config):
        del config["config"]["layers"][-1]["module"]

    with_config(small, path, change)


@hostile("holds a `Dense`, not a model", ModelFileError)
def no_model(small, path):
    def change(config):
        node = layer("keras.layers", "Dense", {"units": 3})
        config.clear()
        config.update(node)

    with_config(small, path, change)


def deep(depth):
    return (
        b'{"class_name": "A", "config": ' + b"[" * depth + b"]" * depth + b"}"
    )


@hostile(r"`config\.json` is nested too deeply; the limit is 200 levels")
def nested_deeply(small, path):
    write_archive(path, {**members(small), CONFIG: deep(300)})


@hostile(r"`config\.json` is nested too deeply")
def nested_beyond_the_parser(small, path):
    write_archive(path, {**members(small), CONFIG: deep(100_000)})


@hostile(r"`config\.json` has too many values; the limit is 200,000")
def many_values(small, path):
    content = b'{"class_name": "A", "config": [' + b"0," * 300_000 + b"0]}"
    write_archive(path, {**members(small), CONFIG: content})


@hostile("config.json: Exceeds the limit", ModelFileError)
def number_of_many_digits(small, path):
    content = b'{"class_name": ' + b"1" * 5000 + b"}"
    write_archive(path, {**members(small), CONFIG: content})


@hostile(
    r"declares 3,000,000,\d+ weights and stores \d+; most of them in `last`"
)
def layer_of_a_billion_units(small, path):
    def change(config):
        config["config"]["layers"][-1]["config"]["units"] = 10**9

    with_config(small, path, change)


@hostile(r"declares 1,000,000,\d+ weights .* most of them in `evil`")
def embedding_of_a_billion_words(small, path):
    arguments = {"input_dim": 10**9, "output_dim": 1}
    node = layer("keras.layers", "Embedding", arguments)
    with_layer(node)(small, path)


@hostile(r"declares .* most of them in `f1`")
def network_of_a_billion_classes(small, path):
    def change(config):
        node = layer(
            "keras_sharpness.models.f1",
            "F1",
            {"num_classes": 10**9, "input_shape": [3], "name": "f1"},
            registered_name="keras_sharpness>F1",
        )
        config.clear()
        config.update(node)

    with_config(small, path, change)


@hostile("`evil` of `.*` is a `Normalization` without the shape of its input")
def normalization_of_unknown_size(small, path):
    with_layer(layer("keras.layers", "Normalization"))(small, path)
