"""The configuration and metadata of a model file, as plain values."""

import json
from collections.abc import Iterator
from typing import Any

from keras_sharpness.saving import errors
from keras_sharpness.saving.archive import CONFIG, METADATA, Archive
from keras_sharpness.saving.limits import Limits

Node = dict[str, Any]


def read_configuration(archive: Archive, limits: Limits) -> Node:
    """The configuration of an archive, which describes one object.

    Args:
        archive: `Archive`.
        limits: `Limits`.

    Returns:
        A dict.

    Raises:
        ModelFileError: If it is not one.
        UnsafeModelError: If it is nested too deeply or too large.
    """
    config = _parsed(archive, CONFIG, limits)
    if not isinstance(config.get("class_name"), str):
        raise errors.unreadable(
            archive.name, f"{CONFIG} is not a description", archive.size
        )
    _check_extent(config, archive.name, limits)
    return config


def read_metadata(archive: Archive, limits: Limits) -> dict[str, str]:
    """Version and date of an archive, each "unknown" where it is missing.

    Args:
        archive: `Archive`.
        limits: `Limits`.

    Returns:
        Dict with `keras_version` and `date_saved`.

    Raises:
        ModelFileError: If the metadata are none.
    """
    values = _parsed(archive, METADATA, limits)
    return {
        key: errors.clean(values.get(key, "unknown"))
        for key in ("keras_version", "date_saved")
    }


def nodes(value: Any) -> Iterator[Node]:
    """All dicts inside of a value, in the order of the file."""
    # Without recursion: the depth of the file is not ours to choose.
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            stack.extend(reversed(value))


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


def _parsed(archive: Archive, member: str, limits: Limits) -> Node:
    content = archive.members[member]
    # Each value of Python takes ten times its text, so that they are counted
    # before they are made; brackets and commas inside of strings count too.
    if content.count(b"[") + content.count(b"{") + content.count(b",") > (
        limits.values
    ):
        raise _too_many(archive.name, member, limits)
    try:
        values = json.loads(content)
    except RecursionError as error:
        raise _too_deep(archive.name, member, limits) from error
    except ValueError as error:
        raise errors.unreadable(
            archive.name, f"{member}: {error}", archive.size
        ) from error
    if not isinstance(values, dict):
        raise errors.unreadable(
            archive.name, f"{member} is not a description", archive.size
        )
    return values


def _check_extent(config: Node, name: str, limits: Limits) -> None:
    level, depth = [config], 0
    while level:
        depth += 1
        if depth > limits.depth:
            raise _too_deep(name, CONFIG, limits)
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]


def _too_many(name: str, member: str, limits: Limits) -> Exception:
    limit = f"{limits.values:,}"
    return errors.bomb(name, f"`{member}` has too many values", limit)


def _too_deep(name: str, member: str, limits: Limits) -> Exception:
    limit = f"{limits.depth} levels"
    return errors.bomb(name, f"`{member}` is nested too deeply", limit)
