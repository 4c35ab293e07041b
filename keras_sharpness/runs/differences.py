"""Where two dicts of settings differ."""

import reprlib
from typing import Any

from keras_sharpness.fingerprint.comparable import comparable_names, is_digest

# The setting that tells what a folder was made of, e.g. by digests.
FINGERPRINT = "fingerprint"
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxlist = _SHORT.maxdict = 10


def differences(stored: Any, asked: Any, name: str = "") -> list[str]:
    """Where the settings on disk and those asked for differ.

    A setting that is None and one that is absent are the same: a later version
    of the package may have added it. What is called `fingerprint` is compared
    as far as the earlier version kept it.

    Args:
        stored: Dict in JSON's types, from disk.
        asked: Dict in JSON's types.
        name: Str. Dotted name of the setting that the two are values of.

    Returns:
        List of str, one per setting, e.g.
        `"batch_size: 256 there, 512 asked for"`.
    """
    if isinstance(stored, dict) and isinstance(asked, dict):
        prefix = f"{name}." if name else ""
        return [
            text
            for key in _names(stored, asked, name)
            for text in differences(
                stored.get(key), asked.get(key), f"{prefix}{key}"
            )
        ]
    if stored == asked:
        return []
    if is_digest(stored) and is_digest(asked):
        return [f"{name}: other contents there than asked for"]
    there, here = _SHORT.repr(stored), _SHORT.repr(asked)
    return [f"{name}: {there} there, {here} asked for"]


def _names(
    stored: dict[str, Any], asked: dict[str, Any], name: str
) -> list[str]:
    names = dict.fromkeys([*stored, *asked])
    if name.startswith(FINGERPRINT):
        return comparable_names(stored, asked)
    return [key for key in names if key != FINGERPRINT or key in stored]
