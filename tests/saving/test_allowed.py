"""The list of what is safe, held against the Keras that is installed."""

import importlib
import inspect

import keras
import pytest

from keras_sharpness import models
from keras_sharpness.saving import allowed

OPERATION = keras.Operation


def public_classes(module):
    return {
        name for name, value in vars(module).items() if inspect.isclass(value)
    }


def test_every_layer_of_keras_is_decided_on():
    """A layer that comes with a new Keras is not let through unseen."""
    refused = allowed.CODE_CLASSES | allowed.FILE_CLASSES
    abstract = {"InputSpec", "Layer", "Wrapper"}
    public = public_classes(keras.layers) - abstract
    # Without second names, under which Keras saves nothing.
    saved = {
        name
        for name in public
        if getattr(keras.layers, name).__name__ == name
        or getattr(keras.layers, name).__name__ not in public
    }
    assert saved - refused == allowed.LAYERS
    assert not refused & allowed.LAYERS


@pytest.mark.parametrize("module", allowed.CLASSES)
def test_everything_on_the_list_is_a_class_of_keras(module):
    # What is only kept for older files has a name and no module.
    kept = module.replace("keras._legacy", "keras.src.legacy")
    imported = importlib.import_module(kept)
    for name in allowed.CLASSES[module]:
        assert inspect.isclass(getattr(imported, name)), name


@pytest.mark.parametrize(
    "module", [m for m in allowed.CLASSES if m.startswith("keras.src.ops.")]
)
def test_no_operation_on_the_list_takes_a_function(module):
    imported = importlib.import_module(module)
    for name in allowed.CLASSES[module]:
        operation = getattr(imported, name)
        assert issubclass(operation, OPERATION)
        for method in (operation.__init__, operation.call):
            arguments = set(inspect.signature(method).parameters)
            assert not arguments & {"f", "fn", "fun", "func", "function"}, name
            assert not {a for a in arguments if a.endswith("_fn")}, name


def functions(module):
    """Functions by the names Keras saves them under."""
    helpers = {"deserialize", "get", "serialize"}
    return {
        function.__name__
        for name, function in vars(module).items()
        if inspect.isfunction(function) and name not in helpers
    }


def test_every_function_of_keras_is_on_the_list():
    known = allowed.FUNCTIONS
    assert functions(keras.activations) == known["keras.activations"]
    more = functions(keras.losses) | functions(keras.metrics)
    assert more == known["keras.losses"] | known["keras.metrics"]
    assert known["builtins"] == more | known["keras.activations"]


@pytest.mark.parametrize(
    "module", [m for m in allowed.FUNCTIONS if m != "builtins"]
)
def test_functions_stand_under_the_module_they_are_saved_with(module):
    imported = importlib.import_module(module)
    for name in allowed.FUNCTIONS[module]:
        saved = keras.saving.serialize_keras_object(getattr(imported, name))
        assert saved["class_name"] == "function"
        assert saved["config"] == name


def test_networks_stand_under_the_names_they_are_saved_under():
    saved = {}
    for name in models.NAMES:
        network = getattr(models, name)
        registered = keras.saving.get_registered_name(network)
        # The second one as files of earlier versions have it.
        for module in (
            network.__module__,
            f"keras_sharpness.models.{name.lower()}",
        ):
            saved[module, network.__name__] = registered
    assert saved == allowed.NETWORKS
