"""Classes of one's own are asked for by name."""

import pytest

from keras_sharpness.saving import (
    UnsafeModelError,
    inspect_model,
)
from tests.saving.files import (
    with_config,
)


def lines_of(error):
    return str(error.value).splitlines()


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
