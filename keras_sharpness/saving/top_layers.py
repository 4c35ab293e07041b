"""The layers that a model consists of, as its configuration has them."""

from keras_sharpness.saving.configuration import Node


def top_layers(config: Node) -> list[Node]:
    """The configurations of a model's own layers, each with its name."""
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else None
    found = []
    for node in layers if isinstance(layers, list) else []:
        if not isinstance(node, dict) or "class_name" not in node:
            continue
        own = node.get("config")
        own_name = own.get("name") if isinstance(own, dict) else None
        name = node.get("name") or own_name or node["class_name"]
        found.append({**node, "name": str(name)})
    return found
