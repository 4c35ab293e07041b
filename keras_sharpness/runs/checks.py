"""Checks of what callers pass."""

import re
from typing import Any

from keras_sharpness.results import Result, encode

# 200 leave room for the suffix and for the name of a temporary file.
_NAME = re.compile(r"\w[\w.,+=-]{0,199}", re.ASCII)


def checked_name(name: str, what: str = "name") -> str:
    """`name` if a file can have it on every system.

    Args:
        name: Str.
        what: Str. What the caller calls it.

    Returns:
        The name.

    Raises:
        ValueError: If it has other characters than letters, digits and
            `_ . , + = -`, or more than 200.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"`{what}` must consist of at most 200 letters, digits and "
            "`_ . , + = -`, a letter, digit or `_` first. Received: "
            f"{what}={name!r}. Pass e.g. 'epsilon_sharpness-1e-3-full'."
        )
    return name


def checked_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` in JSON's types.

    Args:
        settings: Dict of numbers, text, None, and dicts and sequences of them.

    Returns:
        Dict in JSON's types, a copy.

    Raises:
        TypeError: If it is no dict, or a value does not go to JSON.
    """
    if not isinstance(settings, dict):
        raise TypeError(
            "`settings` must be a dict of plain values. Received: settings="
            f"{settings!r}. Pass e.g. `{{'batch_size': 256, 'seed': 0}}`."
        )
    try:
        return {str(key): encode(value) for key, value in settings.items()}
    except TypeError as error:
        raise TypeError(f"`settings`: {error}") from error


def check_result(result: Result) -> None:
    """Refuses what is no `Result`.

    Args:
        result: `Result`.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(result, Result):
        raise TypeError(
            "Only a `Result` can be stored. Received an object of type "
            f"{type(result).__name__}. Pass what the measuring function "
            "returned."
        )
