"""What a training is determined by, in a form that can be compared."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


def digest_arrays(nest: Any) -> str | None:
    """A digest of arrays: contents, shapes, dtypes and structure.

    Args:
        nest: Array or nest of arrays, or None.

    Returns:
        Str, or None for None.
    """
    if nest is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for path, leaf in keras.tree.flatten_with_path(nest):
        if leaf is None:
            continue
        array = np.ascontiguousarray(leaf)
        head = f"{path} {array.dtype} {array.shape}"
        digest.update(head.encode())
        if array.dtype == object:  # texts
            digest.update(repr(array.tolist()).encode())
            continue
        # uint8 lets dtypes through that know no buffer protocol.
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()


def describe_optimizer(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """An optimizer's class and configuration without its name.

    Args:
        optimizer: `keras.optimizers.Optimizer`. A loss scale around it, which
            mixed precision brings, is left out.

    Returns:
        Dict that goes to JSON.
    """
    return _describe(getattr(optimizer, "inner_optimizer", optimizer))


def describe_loss(loss: Any) -> Any:
    """A loss as `keras.Model.compile` takes it, without its name.

    Args:
        loss: Str, function, `keras.losses.Loss`, or a nest of them.

    Returns:
        A value that goes to JSON.
    """
    if loss is None or isinstance(loss, str):
        return loss
    if isinstance(loss, dict):
        return {str(key): describe_loss(item) for key, item in loss.items()}
    if isinstance(loss, list | tuple):
        return [describe_loss(item) for item in loss]
    if isinstance(loss, keras.losses.Loss):
        return _describe(loss)
    name = getattr(loss, "__qualname__", type(loss).__qualname__)
    return f"{getattr(loss, '__module__', '')}.{name}"


def describe_model(model: keras.Model) -> dict[str, Any]:
    """A model's layers, and the shapes of its weights, without names.

    Args:
        model: `keras.Model`, built.

    Returns:
        Dict that goes to JSON: the class, a digest of the layers' settings,
        and the number of trainable and other weights.
    """
    layers = json.dumps(list(_layers(model)), sort_keys=True)
    variables = [
        [list(v.shape), str(v.dtype), bool(v.trainable)]
        for v in model.variables
    ]
    text = layers + json.dumps(variables)
    return {
        "class": type(model).__qualname__,
        "layers": hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        "trainable_weights": _count(model.trainable_variables),
        "other_weights": _count(model.non_trainable_variables),
    }


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two descriptions differ, one text per setting.

    Args:
        old: Dict, as read from a checkpoint.
        new: Dict, of the present call.
        path: Str. Where in the description they stand.

    Returns:
        List of texts such as `"batch_size: 256, now 512"`.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        names = list(dict.fromkeys([*old, *new]))
        prefix = f"{path}." if path else ""
        return [
            text
            for name in names
            for text in differences(
                old.get(name), new.get(name), f"{prefix}{name}"
            )
        ]
    return [] if old == new else [f"{path}: {old!r}, now {new!r}"]


def _describe(item: Any) -> dict[str, Any]:
    try:
        config = dict(item.get_config())
    except NotImplementedError:
        # Keras cannot serialise this layer; its class and weights remain.
        config = {}
    # Keras counts names up with every object that the process makes.
    config.pop("name", None)
    return {"class": type(item).__qualname__, **_plain(config)}


def _plain(value: Any) -> Any:
    """`value` in JSON's types; of other objects, the type alone."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return type(value).__qualname__


def _layers(model: keras.Model) -> Iterator[dict[str, Any]]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield _describe(layer)


def _count(variables: list) -> int:
    return sum(int(np.prod(v.shape)) for v in variables)
