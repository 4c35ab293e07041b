"""What a model computes, in a form that can be compared, without names."""

import base64
import hashlib
import json
import marshal
import re
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_sharpness.data.digest import digest_array
from keras_sharpness.fingerprint.code_digest import (
    code_text,
    described_code,
    described_state,
)
from keras_sharpness.fingerprint.comparable import SCHEME

# Keras numbers what it makes, counts and shares by where it lies in memory.
_INCIDENTAL = ("build_config", "shared_object_id")


def describe_model(model: keras.Model) -> dict[str, Any]:
    """A model's layers and how they are joined, without automatic names.

    Args:
        model: `keras.Model`, built.

    Returns:
        Dict that goes to JSON: the class, a digest of the layers' settings,
        of the ways between them, of own code and of the weights' shapes, and
        the number of trainable and other weights.
    """
    variables = [
        [list(v.shape), str(v.dtype), bool(v.trainable)]
        for v in model.variables
    ]
    text = json.dumps(
        [list(_layers(model)), _joined(model), variables], sort_keys=True
    )
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return {
        "class": type(model).__qualname__,
        "layers": SCHEME + digest,
        "trainable_weights": _count(model.trainable_variables),
        "other_weights": _count(model.non_trainable_variables),
    }


def describe_object(item: Any) -> dict[str, Any]:
    """A layer, loss or optimizer: class, settings and own code.

    Args:
        item: Object with `get_config`.

    Returns:
        Dict that goes to JSON.
    """
    try:
        config = dict(item.get_config())
    except NotImplementedError:
        # Keras cannot serialise this layer; its class and weights remain.
        config = {}
    # Keras counts names up with every object that the process makes.
    config.pop("name", None)
    # Functions that a layer was given, e.g. as its activation.
    given = [
        value
        for name, value in sorted(vars(item).items())
        if isinstance(value, types.FunctionType)
        and not name.startswith("_")
        and not hasattr(type(item), name)
    ]
    return {
        "class": type(item).__qualname__,
        **plain(config),
        **described_code(type(item), *given),
        **described_state(item),
    }


def plain(value: Any) -> Any:
    """`value` in JSON's types; of other objects, the type alone.

    Args:
        value: Part of a configuration.

    Returns:
        What of it is a setting: names that Keras gives are left out.
    """
    if isinstance(value, dict):
        if value.get("class_name") == "__lambda__":
            return _lambda(value["config"])
        items = {k: v for k, v in value.items() if k not in _INCIDENTAL}
        config, kind = value.get("config"), str(value.get("class_name"))
        # The name of a dtype is what it is; a layer's may hold another's.
        if isinstance(config, dict) and not kind.endswith("DTypePolicy"):
            items["config"] = {k: v for k, v in config.items() if k != "name"}
        return {str(key): plain(item) for key, item in items.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
        return digest_array(keras.ops.convert_to_numpy(value))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return type(value).__qualname__


def _lambda(config: dict[str, Any]) -> Any:
    """A function that Keras has serialised, without the lines it stood in."""
    if "code" in config:
        parts = config["code"], config["defaults"], config["closure"]
    else:
        parts = config["value"]
    code = marshal.loads(base64.b64decode(parts[0]))
    return {"lambda": code_text(code), "rest": plain(parts[1:])}


def automatic_name(class_name: str) -> str:
    """What Keras calls the first object of a class, e.g. `"dense"`.

    Args:
        class_name: Str.

    Returns:
        Str.
    """
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def unnumbered_name(model: keras.Model) -> str:
    """A model's name, without the number if Keras gave it.

    Args:
        model: `keras.Model`.

    Returns:
        Str, e.g. `"sequential"` for `"sequential_5"`.
    """
    kind = type(model).__name__
    if _is_automatic(model.name, kind):
        return automatic_name(kind)
    return model.name


def _is_automatic(name: Any, class_name: Any) -> bool:
    if not isinstance(name, str) or not isinstance(class_name, str):
        return False
    stem = re.escape(automatic_name(class_name))
    return re.fullmatch(rf"{stem}(_\d+)?", name) is not None


def _layers(model: keras.Model) -> Iterator[dict[str, Any]]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield {"class": type(layer).__qualname__, **_joined(layer)}
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield describe_object(layer)


def _joined(model: keras.Model) -> dict[str, Any]:
    """How operations are joined, by their places; own code of the model."""
    nodes_by_depth = getattr(model, "_nodes_by_depth", None) or {}
    nodes = [
        node
        for depth in sorted(nodes_by_depth, reverse=True)
        for node in nodes_by_depth[depth]
    ]
    places = {id(node): place for place, node in enumerate(nodes)}
    # A layer that is called several times is one.
    owners: dict[int, int] = {}

    def source(tensor: Any) -> Any:
        operation, node_index, tensor_index = tensor._keras_history
        node = operation._inbound_nodes[node_index]
        return [places.get(id(node)), tensor_index]

    def argument(value: Any) -> Any:
        return source(value) if keras.utils.is_keras_tensor(value) else value

    def joint(node: Any) -> dict[str, Any]:
        operation = node.operation
        owner = owners.setdefault(id(operation), len(owners))
        described: dict[str, Any] = {"owner": owner}
        if isinstance(operation, keras.layers.InputLayer):
            # By which a dict of data is told apart.
            if not _is_automatic(operation.name, "InputLayer"):
                described["name"] = operation.name
        elif not isinstance(operation, keras.layers.Layer):
            described |= describe_object(operation)
        arguments = (node.arguments.args, node.arguments.kwargs)
        described["from"] = plain(keras.tree.map_structure(argument, arguments))
        return described

    return {
        **described_code(type(model)),
        "settings": {} if nodes else _settings(model),
        "nodes": [joint(node) for node in nodes],
        "ends": [
            [source(tensor) for tensor in tensors]
            for tensors in ((model.inputs, model.outputs) if nodes else ())
        ],
    }


def _settings(model: keras.Model) -> Any:
    """What an own class of model was made with, as far as Keras knows."""
    try:
        config = model.get_config()
    except (NotImplementedError, TypeError, ValueError):
        return {}
    left_out = ("name", "layers", "build_input_shape")
    return plain({k: v for k, v in config.items() if k not in left_out})


def _count(variables: list) -> int:
    return sum(int(np.prod(v.shape)) for v in variables)
