"""What a training is determined by, in a form that can be compared."""

import hashlib
from typing import Any

import keras
import numpy as np

from keras_sharpness.fingerprint.architecture import (
    describe_model,
    describe_object,
)
from keras_sharpness.fingerprint.code_digest import (
    described_code,
    described_state,
)
from keras_sharpness.fingerprint.comparable import comparable_names

__all__ = [
    "describe_loss",
    "describe_model",
    "describe_optimizer",
    "differences",
    "digest_arrays",
]


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
    return describe_object(getattr(optimizer, "inner_optimizer", optimizer))


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
        return describe_object(loss)
    name = getattr(loss, "__qualname__", type(loss).__qualname__)
    name = f"{getattr(loss, '__module__', '')}.{name}"
    code = {**described_code(loss), **described_state(loss)}
    return {"function": name, **code} if code else name


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
        prefix = f"{path}." if path else ""
        return [
            text
            for name in comparable_names(old, new)
            for text in differences(
                old.get(name), new.get(name), f"{prefix}{name}"
            )
        ]
    # A result that was read has tuples for lists.
    old, new = (list(v) if isinstance(v, tuple) else v for v in (old, new))
    return [] if old == new else [f"{path}: {old!r}, now {new!r}"]
