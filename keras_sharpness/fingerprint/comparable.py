"""Which parts of two descriptions can be compared."""

import re
from typing import Any

# Of a model's digest: earlier ones were of fewer things.
SCHEME = "2-"
# Byte code is that of one version of Python; numbers that objects hold go
# with it.
_OF_ONE_PYTHON = ("code, Python", "attributes")
# What earlier versions did not keep.
_LATER = ("calibration", "loss_weights")
_DIGEST = re.compile(rf"({re.escape(SCHEME)})?[0-9a-f]{{32}}")


def comparable_names(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The entries of two descriptions that can be compared.

    Args:
        old: Dict, as read from a file, perhaps of an earlier version.
        new: Dict, of the present call.

    Returns:
        List of str.
    """
    return [
        name
        for name in dict.fromkeys([*old, *new])
        if not _is_missing(name, old, new)
        and not is_of_less(old.get(name), new.get(name))
    ]


def _is_missing(name: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    if name.startswith(_OF_ONE_PYTHON):
        return name not in old or name not in new
    if name == "loss_settings":  # None: not one of those that were described
        return old.get(name) is None
    return name in _LATER and name not in old


def is_of_less(old: Any, new: Any) -> bool:
    """Whether an earlier version described the same thing by less.

    What it left out cannot be compared: own code, and how layers are joined.

    Args:
        old: Description, as read from a file.
        new: Description of the present call.

    Returns:
        Bool.
    """
    if isinstance(old, str) and isinstance(new, str):
        return new.startswith(SCHEME) and not old.startswith(SCHEME)
    if isinstance(old, str) and isinstance(new, dict):
        return old == new.get("function")
    return False


def is_digest(value: Any) -> bool:
    """Whether a value tells nothing but that contents are the same.

    Args:
        value: Part of a description.

    Returns:
        Bool.
    """
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
