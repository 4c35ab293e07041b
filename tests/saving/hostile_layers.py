"""Hostile files: layers, functions and names that would run something."""

import os

import keras

from tests.saving.files import layer, with_config
from tests.saving.hostile import enter_layers, hostile, with_layer


@hostile("Refused: layer `lambda` of `.*` is a `Lambda`.*Replace it by")
def lambda_that_runs(small, path):
    """What Keras itself writes for it, with the code of a function."""
    name = str(path.parent / "canary")
    inner = keras.layers.Lambda(
        lambda x: (open(name, "w").close(), x)[1], name="lambda"
    )
    keras.Sequential([keras.Input((3,)), inner]).save(path)
    os.remove(name)


CODE = r"Refused: layer `evil` of `.*` is a `{}`.*custom_objects="
enter_layers(
    CODE,
    {
        "lambda_in_another_module": layer("keras", "layers.Lambda"),
        "lambda_by_its_file": layer(
            "keras.src.layers.core.lambda_layer", "Lambda"
        ),
        "lambda_without_module": layer(None, "some_package>Lambda"),
        "lambda_of_a_function": layer(
            "keras.layers",
            "Lambda",
            {
                "function": {
                    "module": "keras.utils",
                    "class_name": "function",
                    "config": "get_file",
                    "registered_name": "get_file",
                }
            },
        ),
        "saved_model": layer(
            "keras.layers", "TFSMLayer", {"filepath": "/tmp/evil"}
        ),
        "torch": layer(
            "keras.layers", "TorchModuleWrapper", {"module": "gASVAAA="}
        ),
        "jax": layer("keras.layers", "JaxLayer"),
        "flax": layer("keras.layers", "FlaxLayer"),
    },
)
enter_layers(
    r"Refused: layer `evil` of `.*` is a `{}`.*reads files when.*without it",
    {
        "vocabulary_of_words": layer(
            "keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}
        ),
        "vocabulary_of_numbers": layer(
            "keras.layers",
            "IntegerLookup",
            {"vocabulary": "http://localhost/evil"},
        ),
        "vocabulary_of_texts": layer("keras.layers", "TextVectorization"),
        "hashes": layer("keras.layers", "Hashing"),
    },
)
enter_layers(
    r"Unknown layer class `.*{}` in `.*` \(once\)\. Only what comes with Keras",
    {
        "class_of_nobody": layer(None, "Evil"),
        "class_of_a_module": layer("evil_module", "Evil"),
        "class_of_the_system": layer("os", "system"),
        "class_of_another_package": layer(
            "keras_hub.models", "Evil", registered_name="keras_hub>Evil"
        ),
        "operation_with_a_function": layer(
            "keras.src.ops.core", "Map", registered_name="Map"
        ),
        "feature_space": layer("keras.utils", "FeatureSpace"),
    },
)
enter_layers(
    "Refused: a `{}` stands among the arguments in .* Put a number or a layer",
    {
        name: {"class_name": name, "config": {"value": "evil"}}
        for name in ("__bytes__", "__numpy__", "__tensor__", "__typespec__")
    },
)
enter_layers(
    r"`{}` in `.*` is registered as `.*The second name would load something",
    {
        "network_under_another_name": layer(
            "keras.layers", "Dense", registered_name="keras_sharpness>F1"
        ),
        "stranger_under_another_name": layer(
            "keras.layers", "Dense", registered_name="package>Evil"
        ),
        "network_without_its_name": layer("keras_sharpness.models.f1", "F1"),
    },
)


@hostile("Refused: a part of `.*` is a `__lambda__`")
def lambda_as_activation(small, path):
    node = {"class_name": "__lambda__", "config": {"value": ["4wA="]}}

    def change(config):
        config["config"]["layers"][-1]["config"]["activation"] = node

    with_config(small, path, change)


@hostile("Refused: layer `evil` of `.*` is a `Lambda`")
def lambda_in_layers_in_layers(small, path):
    node = layer("keras.layers", "Lambda")
    for wrapper in ("TimeDistributed", "Bidirectional", "RNN"):
        node = layer("keras.layers", wrapper, {"layer": node})
    with_layer(node)(small, path)


@hostile("Refused: layer `evil` of `.*` is a `Lambda`")
def lambda_among_the_arguments_of_a_call(small, path):
    def change(config):
        node = {"args": [layer("keras.layers", "Lambda")], "kwargs": {}}
        config["config"]["layers"][-1]["inbound_nodes"] = [node]

    with_config(small, path, change)


@hostile("Refused: layer `evil` of `.*` is a `Lambda`")
def lambda_as_loss(small, path):
    def change(config):
        config["compile_config"]["loss"] = layer("keras.layers", "Lambda")

    with_config(small, path, change)


@hostile("Refused: a part of `.*` is a `package>Lambda`")
def lambda_registered_as_something_else(small, path):
    node = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {},
        "registered_name": "package>Lambda",
    }
    with_layer(node)(small, path)


def enter_functions(functions):
    for name, (module, function) in functions.items():

        def build(small, path, module=module, function=function):
            node = {
                "module": module,
                "class_name": "function",
                "config": function,
                "registered_name": function,
            }

            def change(config):
                last = config["config"]["layers"][-1]["config"]
                last["activation"] = node

            with_config(small, path, change)

        build.__name__ = name
        hostile(rf"Unknown function `.*{function}` in `.*custom_objects=")(
            build
        )


enter_functions(
    {
        "function_of_the_system": ("os", "system"),
        "function_of_builtins": ("builtins", "exec"),
        "function_that_fetches": ("keras.utils", "get_file"),
        "function_that_loads": ("keras.saving", "load_model"),
        "function_that_turns_safety_off": (
            "keras.config",
            "enable_unsafe_deserialization",
        ),
        "function_of_another_module": ("keras.activations", "get_file"),
    }
)
