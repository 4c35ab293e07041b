"""The table of a model's layers, from its configuration and weights."""

import math
import re
from typing import Any

from keras_sharpness.saving import errors
from keras_sharpness.saving.allowed import LAYERS, NETWORKS
from keras_sharpness.saving.configuration import Node, top_layers
from keras_sharpness.saving.description import LayerDescription
from keras_sharpness.saving.shapes import FileShapes
from keras_sharpness.saving.weights import StoredLayer, StoredWeights

# Keras 2 wrote the second.
_GROUPS = ("layers", "_layer_checkpoint_dependencies")


def layer_table(
    config: Node, stored: StoredWeights, shapes: FileShapes
) -> tuple[LayerDescription, ...]:
    """The layers of a model file in the order they were saved.

    Args:
        config: Dict, the configuration of a whole file.
        stored: `StoredWeights`.
        shapes: `FileShapes` of the configuration.

    Returns:
        Tuple of `LayerDescription`, without the inputs.
    """
    nodes = {node["name"]: node for node in top_layers(config)}
    places = {name: place for place, name in enumerate(nodes)}
    is_network = (config.get("module"), config["class_name"]) in NETWORKS

    def order(layer: StoredLayer) -> tuple[Any, ...]:
        if is_network:
            return _network_order(layer.name)
        # Layers of classes that save no layers stand about as they were saved.
        return places.get(layer.name, len(places)), layer.address

    rows = []
    for layer in sorted(stored.layers, key=order):
        group, _, own = layer.path.partition("/")
        if group not in _GROUPS or not own or "/" in own:
            continue
        node = nodes.get(layer.name)
        class_name = node["class_name"] if node else _class_of(own)
        if class_name == "InputLayer":
            continue
        weights = model_weights(stored, f"{layer.path}/")
        rows.append(
            LayerDescription(
                name=errors.clean(layer.name or own),
                class_name=errors.clean(class_name),
                parameters=sum(math.prod(shape) for shape in weights),
                weight_shapes=tuple(weights),
                output_shape=shapes.of(layer.name),
            )
        )
    return tuple(rows)


def model_weights(
    stored: StoredWeights, prefix: str = ""
) -> list[tuple[int, ...]]:
    """Shapes of the stored arrays that are weights of the model.

    Args:
        stored: `StoredWeights`.
        prefix: Str. Only what stands below it.

    Returns:
        List of shapes: without the optimizer's, without seeds, which
        `count_params` leaves out too, and without what is stored twice.
    """
    return [
        weight.shape
        for weight in stored.weights
        if weight.path.startswith(prefix) and is_model_weight(weight.path)
    ]


def is_model_weight(path: str) -> bool:
    """Whether an array at that place is a weight of the model."""
    # `SpectralNormalization` saves the weight of the layer that it wraps.
    return not re.search(
        r"(^|/)optimizer/|seed_generator|(^|/)spectral_normalization(_\d+)?/vars/0$",
        path,
    )


def _network_order(name: str) -> tuple[Any, ...]:
    """Where a layer of one of the package's networks stands, by its name."""
    kind = re.match(r"(flatten|dense|logits)?", name)[0]
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    last = re.search(r"(normalization|relu|dropout|pool)?(_\d+)?$", name)[1]
    return (
        ["", "flatten", "dense", "logits"].index(kind),
        numbers[:1],
        # Pooling closes a stack.
        last == "pool",
        numbers,
        [None, "normalization", "relu", "dropout", "pool"].index(last),
    )


def _class_of(group: str) -> str:
    """The class whose layers Keras saves under that name."""
    return _CLASSES.get(re.sub(r"_\d+$", "", group), group)


def _snake_case(name: str) -> str:
    # As Keras names the groups.
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


_CLASSES = {_snake_case(name): name for name in LAYERS}
