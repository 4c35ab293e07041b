"""Whether everything that a configuration names may be loaded."""

import collections
from collections.abc import Collection
from typing import Any

from keras_sharpness.saving import errors
from keras_sharpness.saving.allowed import (
    CLASSES,
    CODE_CLASSES,
    CONSTANT_CLASSES,
    FILE_CLASSES,
    FUNCTIONS,
    MODELS,
    NETWORKS,
    PLAIN_CLASSES,
)
from keras_sharpness.saving.configuration import Node, nodes


def check_classes(
    config: Node, name: str, *, custom_names: Collection[str], compile: bool
) -> None:
    """Refuses a configuration that names what is not on the list.

    Args:
        config: Dict, the configuration of a whole file.
        name: Str. What messages call the file.
        custom_names: Names of classes and functions that the caller vouches
            for.
        compile: Bool. Whether loss and optimizer will be loaded too; if not,
            they may be anybody's, as long as they carry no code.

    Raises:
        ModelFileError: If the whole is no model.
        UnsafeModelError: If something is not on the list.
    """
    every = [node for node in nodes(config) if "class_name" in node]
    for node in every:
        _check_code(node, name)
    if not compile:
        config = {k: v for k, v in config.items() if k != "compile_config"}
        every = [node for node in nodes(config) if "class_name" in node]
    unknown = collections.Counter()
    for node in every:
        what = _unknown(node, name, custom_names)
        if what is not None:
            unknown[what] += 1
    if unknown:
        (kind, what), number = next(iter(unknown.items()))
        raise errors.unknown(name, kind, what, number)
    _check_whole(config, name, custom_names)


def _check_code(node: Node, name: str) -> None:
    # Keras finds `layers.Lambda` in the module `keras`, too, and a class
    # under the name it is registered by.
    for key in ("class_name", "registered_name", "spec_name"):
        what = node.get(key)
        if not isinstance(what, str):
            continue
        last = what.replace(">", ".").rpartition(".")[2]
        if last in CODE_CLASSES:
            raise errors.carries_code(name, _layer(node), what)
        if last in CONSTANT_CLASSES:
            raise errors.constant(name, last)
        if last in FILE_CLASSES:
            raise errors.reads_files(name, _layer(node), what)


def _layer(node: Node) -> str:
    config = node.get("config")
    own = config.get("name") if isinstance(config, dict) else None
    own = own or node.get("name")
    return f"layer `{errors.clean(own)}`" if isinstance(own, str) else "a part"


def _unknown(
    node: Node, name: str, custom_names: Collection[str]
) -> tuple[str, str] | None:
    """What a node names, as (kind, name), if it is not on the list."""
    class_name, module = node["class_name"], node.get("module")
    config = node.get("config")
    if not isinstance(class_name, str):
        return "class", str(class_name)
    if class_name == "function":
        if _is_custom(config, custom_names):
            return None
        if isinstance(config, str) and config in _of(FUNCTIONS, module):
            _check_alias(node, name, config)
            return None
        return "function", _full(module, config)
    if class_name in PLAIN_CLASSES:
        return None
    # The name under which Keras asks for the classes of the caller.
    if _is_custom(node.get("registered_name", class_name), custom_names):
        return None
    is_layer = isinstance(config, dict) and "trainable" in config
    kind = "layer class" if is_layer else "class"
    if not isinstance(config, dict) or not isinstance(module, str):
        return kind, _full(module, class_name)
    if (module, class_name) in NETWORKS:
        _check_alias(node, name, NETWORKS[module, class_name])
        return None
    if class_name in _of(CLASSES, module) or (module, class_name) in MODELS:
        _check_alias(node, name, class_name)
        return None
    return kind, _full(module, class_name)


def _of(names: dict[str, frozenset[str]], module: Any) -> frozenset[str]:
    known = isinstance(module, str) and module in names
    return names[module] if known else frozenset()


def _full(module: Any, what: Any) -> str:
    # Where a script was run says nothing of its class.
    if module in (None, "", "__main__", "builtins"):
        return str(what)
    return f"{module}.{what}"


def _is_custom(what: Any, custom_names: Collection[str]) -> bool:
    return isinstance(what, str) and (
        what in custom_names or what.rpartition(">")[2] in custom_names
    )


def _check_alias(node: Node, name: str, expected: str) -> None:
    alias = node.get("registered_name")
    # A name that Keras registered for all, whoever wrote the file, comes
    # before the module and the class.
    if alias is not None and alias != expected:
        raise errors.renamed(name, node["class_name"], str(alias))
    if expected in NETWORKS.values() and alias is None:
        raise errors.renamed(name, node["class_name"], "nothing")


def _check_whole(
    config: Node, name: str, custom_names: Collection[str]
) -> None:
    module, class_name = config.get("module"), config["class_name"]
    registered = config.get("registered_name", class_name)
    if (
        (module, class_name) not in MODELS
        and (module, class_name) not in NETWORKS
        and not _is_custom(registered, custom_names)
    ):
        raise errors.no_model(name, class_name)
