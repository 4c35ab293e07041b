"""Whether a value read from a file is of the type its field declares."""

import math
import types
import typing
from typing import Any

import numpy as np

_MOST = 2**63
# What a result says of the loss it was measured on, if it does.
_OBJECTIVE = {"loss": str, "num_samples": int, "batch_norm": str}


def declared(kind: type) -> dict[str, Any]:
    """The types of a class's fields; none where they cannot be known.

    Args:
        kind: Dataclass.

    Returns:
        Dict from a field's name to its type hint.
    """
    try:
        return typing.get_type_hints(kind)
    except (NameError, TypeError):
        # Named for type checkers only.
        return {}


def typed(name: str, value: Any, hint: Any) -> Any:
    """The value, whole numbers as floats where these are declared.

    Args:
        name: Str. The field.
        value: What `decode` returned.
        hint: The type that the field declares.

    Returns:
        The value.

    Raises:
        ValueError: If it is of another type.
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if hint is float and is_whole and abs(value) < _MOST:
        return float(value)
    if not _fits(value, hint) or not _describes(name, value):
        text = repr(value)
        raise ValueError(
            f"field {name!r} holds {text[:60] + '…' * (len(text) > 60)}, no "
            f"{getattr(hint, '__name__', hint)}"
        )
    return value


def _describes(name: str, value: Any) -> bool:
    """Whether settings of objectives are such, or there are none."""
    if name == "objectives":
        return all(_describes("objective", item) for item in value.values())
    if name != "objective" or not value:
        return True
    return isinstance(value, dict) and all(
        _fits(value.get(key), kind) for key, kind in _OBJECTIVE.items()
    )


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is types.NoneType:
        return value is None
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in arguments)
    if origin is typing.Literal:
        return any(value is part or value == part for part in arguments)
    if origin in (tuple, list) or hint in (tuple, list):
        return isinstance(value, tuple | list) and _parts_fit(value, arguments)
    if origin is dict or hint is dict:
        return isinstance(value, dict) and (
            not arguments
            or all(_fits(item, arguments[1]) for item in value.values())
        )
    if hint in (int, float, np.ndarray, bool, str):
        return _is_plain(value, hint)
    return True


def _parts_fit(value: tuple | list, arguments: tuple) -> bool:
    if not arguments:
        return True
    if arguments[-1] is Ellipsis or len(arguments) == 1:
        return all(_fits(item, arguments[0]) for item in value)
    return len(value) == len(arguments) and all(map(_fits, value, arguments))


def _is_plain(value: Any, hint: type) -> bool:
    if hint in (bool, str):
        return isinstance(value, hint)
    if hint is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype.kind != "O"
    if isinstance(value, bool):
        return False
    if hint is int:
        return isinstance(value, int) and abs(value) < _MOST
    is_number = isinstance(value, int | float)
    return is_number and (not isinstance(value, int) or abs(value) < _MOST)


def lengths_agree(**values: Any) -> None:
    """Refuses arrays that do not belong together.

    Args:
        **values: Arrays, or dicts of arrays, of one length each.

    Raises:
        ValueError: If the first axes differ.
    """
    found = {}
    for name, value in values.items():
        items = value.values() if isinstance(value, dict) else [value]
        for item in items:
            if item is None:
                continue
            shape = np.shape(item)
            found[name] = shape[0] if shape else math.nan
            if found[name] != next(iter(found.values())):
                raise ValueError(f"fields of several lengths: {found}")
