"""How many weights a configuration would make, at the least."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from keras_sharpness.saving import errors
from keras_sharpness.saving.configuration import Node, nodes
from keras_sharpness.saving.weights import StoredWeights

# Seeds and counters are made that no file holds; so small a surplus harms
# nobody.
_SURPLUS = 1 << 22


def check_declared(config: Node, stored: StoredWeights, name: str) -> None:
    """Refuses a configuration that would make far more than is stored.

    What a layer makes follows from its arguments and from the shape of its
    input; where the file does not tell the shape, it is taken to be small, so
    that the count is a lower bound. `load_model` counts exactly.

    Args:
        config: Dict, the configuration of a whole file.
        stored: `StoredWeights`.
        name: Str. What messages call the file.

    Raises:
        UnsafeModelError: If it does.
    """
    total, largest, worst = 0, 0, ""
    for node in nodes(config):
        count = _COUNTS.get(node.get("class_name"))
        if count is None or not isinstance(node.get("config"), dict):
            continue
        layer = _Arguments(node)
        if node["class_name"] == "Normalization" and not layer.has_shape:
            # It looks at its weights while it is built, so that they would be
            # there before `load_model` had counted them.
            raise errors.no_shape(name, layer.name)
        number = count(layer)
        total += number
        if number > largest:
            largest = number
            worst = f"; most of them in `{errors.clean(layer.name)}`"
    if total > stored.size + _SURPLUS:
        raise errors.more_than_stored(name, total, stored.size, worst)


class _Arguments:
    """The arguments of a layer, whatever they are, as numbers."""

    def __init__(self, node: Node) -> None:
        self._config = node["config"]
        build = node.get("build_config")
        shapes = [v for v in _lists(build) if v]
        self.has_shape = bool(shapes)
        self._shape = shapes[0] if shapes else [1]
        self.name = str(self._config.get("name", node["class_name"]))

    @property
    def last(self) -> int:
        """Length of the input's last axis."""
        return _size(self._shape[-1])

    @property
    def channels(self) -> int:
        """Number of channels of the input."""
        first = self._config.get("data_format") == "channels_first"
        if first and len(self._shape) > 1:
            return _size(self._shape[1])
        return self.last

    @property
    def axes(self) -> int:
        """Product of the input's axes that are normalised one by one."""
        axes = self._config.get("axis", -1)
        axes = axes if isinstance(axes, list) else [axes]
        kept = [
            _size(self._shape[axis])
            for axis in axes
            if isinstance(axis, int)
            and -len(self._shape) <= axis
            and axis < len(self._shape)
        ]
        return math.prod(kept)

    def __getitem__(self, key: str) -> int:
        """An argument as one positive number: the product of a list."""
        value = self._config.get(key)
        if isinstance(value, list):
            return math.prod(_size(v) for v in value)
        return _size(value)

    @property
    def pixels(self) -> int:
        """Height times width of the images that a network of ours takes."""
        shape = self._config.get("input_shape")
        if not isinstance(shape, list) or not shape:
            return 1
        return self["input_shape"] // _size(shape[-1])

    def window(self, rank: int) -> int:
        """Number of places of a kernel."""
        size = self._config.get("kernel_size")
        if isinstance(size, list):
            return self["kernel_size"]
        return _size(size) ** rank


def _size(value: Any) -> int:
    return value if type(value) is int and value > 0 else 1


def _lists(value: Any) -> Iterator[list[Any]]:
    """Lists of sizes inside of a `build_config`."""
    for node in nodes(value):
        for inner in node.values():
            if isinstance(inner, list):
                yield inner


def _convolution(rank: int) -> Callable[[_Arguments], int]:
    return lambda a: (
        a.window(rank) * max(1, a.channels // a["groups"]) * a["filters"]
    )


def _depthwise(rank: int) -> Callable[[_Arguments], int]:
    return lambda a: a.window(rank) * a.channels * a["depth_multiplier"]


def _separable(rank: int) -> Callable[[_Arguments], int]:
    return lambda a: (
        (a.window(rank) + a["filters"]) * a.channels * a["depth_multiplier"]
    )


def _recurrent(gates: int) -> Callable[[_Arguments], int]:
    return lambda a: gates * a["units"] * (a.last + a["units"])


def _thresholds(a: _Arguments) -> int:
    return 4 * a["num_thresholds"] * a["num_labels"]


def _recurrent_convolution(rank: int) -> Callable[[_Arguments], int]:
    return lambda a: (
        4 * a.window(rank) * a["filters"] * (a.channels + a["filters"])
    )


_COUNTS: dict[Any, Callable[[_Arguments], int]] = {
    "BatchNormalization": lambda a: 2 * a.axes,
    "Dense": lambda a: a.last * a["units"],
    "Embedding": lambda a: a["input_dim"] * a["output_dim"],
    "GRU": _recurrent(3),
    "GRUCell": _recurrent(3),
    "GroupNormalization": lambda a: a.axes,
    "GroupQueryAttention": lambda a: (
        a["num_query_heads"] * a["head_dim"] * a.last
    ),
    "LSTM": _recurrent(4),
    "LSTMCell": _recurrent(4),
    "LayerNormalization": lambda a: a.axes,
    "MultiHeadAttention": lambda a: a["num_heads"] * a["key_dim"] * a.last,
    "Normalization": lambda a: 2 * a.axes,
    "RMSNormalization": lambda a: a.axes,
    "ReversibleEmbedding": lambda a: a["input_dim"] * a["output_dim"],
    "SimpleRNN": _recurrent(1),
    "SimpleRNNCell": _recurrent(1),
    # Metrics make what they count in as soon as they are there.
    **dict.fromkeys(
        ("IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"),
        lambda a: a["num_classes"] ** 2,
    ),
    **dict.fromkeys(
        (
            "AUC",
            "PrecisionAtRecall",
            "RecallAtPrecision",
            "SensitivityAtSpecificity",
            "SpecificityAtSensitivity",
        ),
        _thresholds,
    ),
    # The package's own networks save their arguments in place of their layers:
    # what is made between the input or the classes and a layer of fixed size.
    **{
        name: lambda a: 512 * (a["input_shape"] + a["num_classes"])
        for name in ("F1", "F2")
    },
    "S1": lambda a: 64 * a["input_shape"] + 32 * a["num_classes"],
    # A tenth of a dense layer behind images of a quarter or a 32nd the size.
    **{
        name: lambda a: 25 * a.pixels + 192 * a["num_classes"]
        for name in ("C1", "C2", "C3", "C4")
    },
    **{f"Conv{rank}D": _convolution(rank) for rank in (1, 2, 3)},
    **{f"Conv{rank}DTranspose": _convolution(rank) for rank in (1, 2, 3)},
    **{f"DepthwiseConv{rank}D": _depthwise(rank) for rank in (1, 2)},
    **{f"SeparableConv{rank}D": _separable(rank) for rank in (1, 2)},
    **{f"ConvLSTM{rank}D": _recurrent_convolution(rank) for rank in (1, 2, 3)},
}
