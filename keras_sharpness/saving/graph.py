"""How much work it is to connect the layers that a configuration lists."""

from collections.abc import Iterator
from typing import Any

from keras_sharpness.saving import errors
from keras_sharpness.saving.allowed import PLAIN_CLASSES
from keras_sharpness.saving.configuration import Node, nodes
from keras_sharpness.saving.limits import Limits

# Operations that return as many tensors as an argument says.
_PARTS = {
    "ArraySplit": "indices_or_sections",
    "Dsplit": "indices_or_sections",
    "Hsplit": "indices_or_sections",
    "Split": "indices_or_sections",
    "Unstack": "num",
    "Vsplit": "indices_or_sections",
}


def check_graph(config: Node, name: str, limits: Limits) -> None:
    """Refuses a configuration that takes long to connect, or that computes.

    Keras connects the layers of a model one call after the other. A call
    without any tensor of the model is no part of it: the numbers among its
    arguments would be worked on at once. Models inside of models multiply
    the calls, and layers that stand before their inputs are tried again and
    again.

    Args:
        config: Dict, the configuration of a whole file.
        name: Str. What messages call the file.
        limits: `Limits`.

    Raises:
        UnsafeModelError: If it is more than `limits.calls` calls, or one of
            them stands alone.
    """
    _check_shared(config, name)
    calls = 0
    for node, times in _called(config):
        calls += times
        if calls > limits.calls:
            raise _too_many_calls(name, limits)
        arguments = node.get("config")
        key = _PARTS.get(node["class_name"])
        parts = arguments.get(key) if isinstance(arguments, dict) else None
        if type(parts) is int and parts > limits.calls:
            what = f"`{errors.clean(node['class_name'])}` makes {parts:,} parts"
            raise errors.bomb(name, what, f"{limits.calls:,}")
        for inbound in _inbound(node):
            _check_arguments(inbound, name)
            if not any(True for _ in _tensors(inbound)):
                raise errors.stands_alone(name, _name(node))
    for node in nodes(config):
        if isinstance(node.get("layers"), list):
            _check_order(node["layers"], name, limits)


def _called(config: Node) -> Iterator[tuple[Node, int]]:
    """All that is made or called, with how often that is."""
    # The arguments of a call are no calls themselves.
    stack: list[tuple[Any, int]] = [(config, 1)]
    while stack:
        value, times = stack.pop()
        if isinstance(value, list):
            stack.extend((inner, times) for inner in value)
        elif isinstance(value, dict):
            if isinstance(value.get("class_name"), str):
                times *= max(1, len(_inbound(value)))
                if _is_called(value):
                    yield value, times
            stack.extend(
                (inner, times)
                for key, inner in value.items()
                if key not in ("inbound_nodes", "build_config")
            )


def _is_called(node: Node) -> bool:
    """Whether it is a layer, a model or an operation."""
    module, config = str(node.get("module")), node.get("config")
    return (
        module.startswith(("keras.layers", "keras.src.ops"))
        or "build_config" in node
        or "inbound_nodes" in node
        or (isinstance(config, dict) and "layers" in config)
    )


def _check_arguments(inbound: Any, name: str) -> None:
    """Keras makes the objects among a call's arguments at every try."""
    for node in nodes(inbound):
        class_name = node.get("class_name")
        if class_name is not None and class_name not in PLAIN_CLASSES:
            raise errors.constant(name, errors.clean(class_name))


def _check_shared(config: Node, name: str) -> None:
    """Keras takes one object for all configurations of one number."""
    first: dict[Any, Any] = {}
    for node in nodes(config):
        if "shared_object_id" in node:
            own = node.get("class_name"), node.get("config")
            if first.setdefault(str(node["shared_object_id"]), own) != own:
                raise errors.renamed(
                    name, node.get("class_name"), "an object shared with others"
                )


def _check_order(layers: list[Any], name: str, limits: Limits) -> None:
    """Goes through the calls in Keras' order, without calling anything."""
    waiting = {}
    made: dict[str, int] = {}
    for node in layers:
        if isinstance(node, dict) and isinstance(node.get("name"), str):
            inbound = _inbound(node)
            inner = node.get("config")
            is_model = isinstance(inner, dict) and "layers" in inner
            # Inputs, and models, were made once before they are called.
            made[node["name"]] = 1 if is_model or not inbound else 0
            if inbound:
                waiting[node["name"]] = [list(_tensors(i)) for i in inbound]
    tried = 0
    is_moving = True
    while waiting and is_moving:
        is_moving = False
        for layer, calls in list(waiting.items()):
            while calls:
                tried += 1 + len(calls[0])
                if tried > 20 * limits.calls:
                    raise _too_many_calls(name, limits)
                if not all(made.get(n, 0) > i for n, i in calls[0]):
                    break
                del calls[0]
                made[layer] += 1
                is_moving = True
            if not calls:
                del waiting[layer]


def _inbound(node: Node) -> list[Any]:
    inbound = node.get("inbound_nodes")
    return inbound if isinstance(inbound, list) else []


def _tensors(inbound: Any) -> Iterator[tuple[str, int]]:
    """Layer and call of the tensors that go into a call."""
    # As a list where Keras 2 wrote it: `[["dense", 0, 0, {}]]`.
    places = inbound if isinstance(inbound, list) else _histories(inbound)
    for place in places:
        if (
            isinstance(place, list)
            and len(place) >= 3
            and isinstance(place[0], str)
            and type(place[1]) is int
        ):
            yield place[0], place[1]


def _histories(value: Any) -> Iterator[Any]:
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, dict) and "class_name" not in value:
            stack.extend(value.values())
        elif isinstance(value, dict):
            # Keras calls nothing that is inside of other objects.
            config = value.get("config")
            if value["class_name"] == "__keras_tensor__" and isinstance(
                config, dict
            ):
                yield config.get("keras_history")


def _name(node: Node) -> str:
    config = node.get("config")
    own = config.get("name") if isinstance(config, dict) else None
    return str(own or node.get("name") or node["class_name"])


def _too_many_calls(name: str, limits: Limits) -> Exception:
    what = "its layers take too many calls to connect"
    return errors.bomb(name, what, f"{limits.calls:,}")
