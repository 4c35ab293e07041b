"""What a `.keras` file says of itself, read without Keras or TensorFlow."""

import dataclasses
import math
import os
from typing import Any

from keras_sharpness import arguments
from keras_sharpness.reasons import short_reason
from keras_sharpness.saving import errors
from keras_sharpness.saving.archive import WEIGHTS, Archive, read_archive
from keras_sharpness.saving.classes import check_classes
from keras_sharpness.saving.configuration import (
    Node,
    nodes,
    read_configuration,
    read_metadata,
)
from keras_sharpness.saving.declared import check_declared
from keras_sharpness.saving.description import ModelDescription
from keras_sharpness.saving.graph import check_graph
from keras_sharpness.saving.layers import (
    is_model_weight,
    layer_table,
    model_weights,
)
from keras_sharpness.saving.limits import Limits, chosen
from keras_sharpness.saving.older_names import use_current_names
from keras_sharpness.saving.shapes import FileShapes
from keras_sharpness.saving.weights import StoredWeights, read_weights


def inspect_model(
    source: str | os.PathLike | bytes,
    *,
    name: str | None = None,
    custom_objects: dict[str, Any] | None = None,
    limits: Limits | None = None,
) -> ModelDescription:
    """Reads what a `.keras` file says of itself, and refuses what is unsafe.

    Neither Keras nor TensorFlow touches the file. Accepted are archives of the
    three members that Keras writes, whose configuration names nothing but
    what comes with Keras and with this package and neither carries code nor
    reads files, and whose weights lie in the archive, as many as they claim.

    Args:
        source: Path or content of a file that `model.save("name.keras")`
            wrote.
        name: String. What messages call the file; `None` is its path.
        custom_objects: Dict from names to classes and functions of your own
            that the file may name too. Only the names are looked at.
        limits: `Limits` on sizes; `None` is `Limits.of_this_machine()`. Pass
            `Limits()` for files from strangers.

    Returns:
        A `ModelDescription`.

    Raises:
        ModelFileError: If the file is missing, truncated, of another format,
            or holds no architecture.
        UnsafeModelError: If it asks for what is not known to be safe.

    Example:

    ```python
    import pathlib
    import tempfile

    import keras
    import keras_sharpness as ks

    path = pathlib.Path(tempfile.mkdtemp(), "small.keras")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(path)
    description = ks.saving.inspect_model(path)
    assert description.layer_classes == ("Dense",)
    assert description.parameters == 4
    ```
    """
    return inspected(
        source,
        name=name,
        custom_objects=custom_objects,
        compile=False,
        limits=limits,
    ).description


# The name from before files could be given by their content.
inspect_model_file = inspect_model


@dataclasses.dataclass(frozen=True)
class Inspected:
    """A model file that may be loaded.

    Attributes:
        description: `ModelDescription`.
        archive: `Archive`, the bytes that were inspected.
        config: Dict, the configuration in the names of today.
        stored: `StoredWeights`.
        limits: `Limits` that it was inspected under.
    """

    description: ModelDescription
    archive: Archive
    config: Node
    stored: StoredWeights
    limits: Limits


def inspected(
    source: str | os.PathLike | bytes,
    *,
    name: str | None,
    custom_objects: dict[str, Any] | None,
    compile: bool,
    limits: Limits | None,
) -> Inspected:
    """Inspects a model file, and keeps what was inspected.

    Args:
        source: As for `inspect_model`.
        name: As for `inspect_model`.
        custom_objects: As for `inspect_model`.
        compile: Bool. Whether loss and optimizer will be loaded too.
        limits: As for `inspect_model`.

    Returns:
        `Inspected`.

    Raises:
        ModelFileError: As for `inspect_model`.
        UnsafeModelError: As for `inspect_model`.
    """
    if not isinstance(source, bytes | bytearray | memoryview):
        arguments.path("source", source)
    arguments.text("name", name, optional=True, empty=True)
    arguments.boolean("compile", compile)
    if custom_objects is not None:
        arguments.instance(
            "custom_objects",
            custom_objects,
            dict,
            "a dict from names to classes and functions",
            'Pass e.g. `custom_objects={"MyLayer": MyLayer}`.',
        )
    limits = chosen(limits)
    archive = read_archive(source, name, limits)
    try:
        return _inspected(
            archive, frozenset(custom_objects or ()), compile, limits
        )
    except errors.ModelFileError:
        raise
    except Exception as error:
        # A configuration may hold anything at any place.
        reason = short_reason(error)
        raise errors.unreadable(archive.name, reason, archive.size) from error


def _inspected(
    archive: Archive,
    custom_names: frozenset[str],
    compile: bool,
    limits: Limits,
) -> Inspected:
    metadata = read_metadata(archive, limits)
    config = read_configuration(archive, limits)
    use_current_names(config)
    check_classes(
        config,
        archive.name,
        custom_names=custom_names,
        compile=compile,
    )
    check_graph(config, archive.name, limits)
    stored = read_weights(archive.members[WEIGHTS], archive.name, limits)
    check_declared(config, stored, archive.name)
    shapes = FileShapes(config)
    layers = layer_table(config, stored, shapes)
    classes = _layer_classes(config) or tuple(
        dict.fromkeys(layer.class_name for layer in layers)
    )
    optimizer, loss = _compiled_with(config)
    description = ModelDescription(
        name=archive.name,
        size=archive.size,
        sha256=archive.sha256,
        **metadata,
        model_class=errors.clean(config["class_name"]),
        layers=layers,
        layer_classes=classes,
        parameters=sum(math.prod(shape) for shape in model_weights(stored)),
        input_shapes=shapes.inputs,
        output_shapes=shapes.outputs,
        optimizer=optimizer,
        loss=loss,
        non_finite=tuple(
            errors.clean(weight.path)
            for weight in stored.weights
            if not weight.is_finite and is_model_weight(weight.path)
        ),
        has_batch_norm="BatchNormalization" in classes,
    )
    return Inspected(description, archive, config, stored, limits)


def _layer_classes(config: Node) -> tuple[str, ...]:
    """The classes of layers at all depths, in the order of the file."""
    names = [
        errors.clean(node["class_name"])
        for node in nodes(config.get("config"))
        if _is_layer(node) and node["class_name"] != "InputLayer"
    ]
    return tuple(dict.fromkeys(names))


def _is_layer(node: Node) -> bool:
    module = str(node.get("module", ""))
    return isinstance(node.get("class_name"), str) and (
        module.startswith("keras.layers") or "build_config" in node
    )


def _compiled_with(config: Node) -> tuple[str | None, str | None]:
    compiled = config.get("compile_config")
    compiled = compiled if isinstance(compiled, dict) else {}
    return _name_of(compiled.get("optimizer")), _name_of(compiled.get("loss"))


def _name_of(value: Any) -> str | None:
    if isinstance(value, dict) and isinstance(value.get("class_name"), str):
        is_function = value["class_name"] == "function"
        value = value.get("config") if is_function else value["class_name"]
    return errors.clean(value) if isinstance(value, str) else None
