"""The shapes of a model's inputs, outputs and layers that its file tells."""

from collections.abc import Iterator
from typing import Any

from keras_sharpness.saving.allowed import NETWORKS, word_set
from keras_sharpness.saving.configuration import Node, nodes, top_layers
from keras_sharpness.saving.description import Shape

# What comes out has the shape of what goes in.
_SAME = word_set(
    """
    Activation ActivityRegularization AlphaDropout BatchNormalization Dropout
    ELU GaussianDropout GaussianNoise GroupNormalization Identity
    LayerNormalization LeakyReLU Masking Normalization PReLU RMSNormalization
    ReLU Rescaling Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D
    SpectralNormalization UnitNormalization
    """
)


class FileShapes:
    """What the configuration of a file tells about shapes.

    Args:
        config: Dict, the configuration of a whole file.

    Attributes:
        inputs: Tuple of shapes, with `None` for free sizes.
        outputs: Tuple of shapes; empty where they do not follow.
    """

    def __init__(self, config: Node) -> None:
        self._layers = {n["name"]: n for n in top_layers(config)}
        self._known: dict[str, Shape] = {}
        inner = config["config"] if isinstance(config["config"], dict) else {}
        if (config.get("module"), config["class_name"]) in NETWORKS:
            sample = _shape(inner.get("input_shape"))
            self.inputs = () if sample is None else ((None, *sample),)
            classes = _shape([inner.get("num_classes")])
            self.outputs = (
                () if classes in (None, (None,)) else ((None, *classes),)
            )
            return
        if "input_layers" in inner:
            self._read_graph()
            self.inputs = self._shapes_of(inner["input_layers"])
            self.outputs = self._shapes_of(inner.get("output_layers"))
            return
        last = self._read_sequence(inner)
        self.outputs = () if last is None else (last,)

    def of(self, layer: str) -> Shape | None:
        """Shape of what a layer of the model returns, if it is told."""
        return self._known.get(layer)

    def _read_graph(self) -> None:
        for name, node in self._layers.items():
            batch = _input_shape(node)
            if batch is not None:
                self._known[name] = batch
            for tensor in nodes(node.get("inbound_nodes")):
                self._read_tensor(tensor)
        for name, node in self._layers.items():
            if name not in self._known:
                tensors = [
                    _shape(t["config"].get("shape"))
                    for t in nodes(node.get("inbound_nodes"))
                    if t.get("class_name") == "__keras_tensor__"
                    and isinstance(t.get("config"), dict)
                ]
                before = tensors[0] if len(tensors) == 1 else None
                self._note(name, _after(node, before))

    def _read_tensor(self, tensor: Node) -> None:
        """A tensor that goes into a layer tells what came out of another."""
        if tensor.get("class_name") != "__keras_tensor__":
            return
        config = tensor.get("config")
        if not isinstance(config, dict):
            return
        history = config.get("keras_history")
        if isinstance(history, list) and history:
            self._note(str(history[0]), _shape(config.get("shape")))

    def _read_sequence(self, inner: Node) -> Shape | None:
        shape = _shape(inner.get("build_input_shape"))
        for node in self._layers.values():
            shape = _input_shape(node) or shape
            break
        self.inputs = () if shape is None else (shape,)
        names = list(self._layers)
        for name, after in zip(names, [*names[1:], None], strict=True):
            # The next layer knows what it was built on.
            told = _build_shape(self._layers[after]) if after else None
            own = _input_shape(self._layers[name])
            shape = told or own or _after(self._layers[name], shape)
            self._note(name, shape)
        return shape

    def _note(self, name: str, shape: Shape | None) -> None:
        if shape is not None:
            self._known.setdefault(name, shape)

    def _shapes_of(self, places: Any) -> tuple[Shape, ...]:
        shapes = [self._known.get(name) for name in _layer_names(places)]
        return () if None in shapes else tuple(shapes)


def _after(node: Node, shape: Shape | None) -> Shape | None:
    """Shape that a layer makes of another, for the layers at the end."""
    config = node.get("config")
    kind = node["class_name"]
    if not isinstance(config, dict) or shape is None or not shape:
        return None
    if kind in _SAME:
        return shape
    if kind == "Dense":
        return _shape([*shape[:-1], config.get("units")])
    if kind == "Flatten" and None not in shape[1:]:
        size = 1
        for length in shape[1:]:
            size *= length
        return (shape[0], size)
    return None


def _input_shape(node: Node) -> Shape | None:
    config = node.get("config")
    if node["class_name"] != "InputLayer" or not isinstance(config, dict):
        return None
    return _shape(config.get("batch_shape"))


def _build_shape(node: Node) -> Shape | None:
    config = node.get("build_config")
    if not isinstance(config, dict):
        return None
    shape = _shape(config.get("input_shape"))
    # Some layers were built on a batch of a certain size.
    return (None, *shape[1:]) if shape else None


def _shape(value: Any) -> Shape | None:
    if not isinstance(value, list) or not all(
        size is None or (type(size) is int and size >= 0) for size in value
    ):
        return None
    return tuple(value)


def _layer_names(places: Any) -> Iterator[str]:
    """Names in `["dense", 0, 0]`, alone or in lists and dicts."""
    stack = [places]
    while stack:
        place = stack.pop()
        if isinstance(place, dict):
            stack.extend(reversed(list(place.values())))
        elif isinstance(place, list):
            if len(place) == 3 and isinstance(place[0], str):
                yield place[0]
            else:
                stack.extend(reversed(place))
