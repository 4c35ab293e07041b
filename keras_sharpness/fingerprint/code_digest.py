"""What functions and classes of the user do, as a digest of their code."""

import functools
import hashlib
import inspect
import sys
import sysconfig
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from keras_sharpness.data.digest import digest_array

# What comes from a package is told apart by its name and settings: its code
# changes with every version, and the numbers with none.
_PACKAGES = ("builtins", "keras", "keras_sharpness", "numpy", "tensorflow")
_INSTALLED = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
)
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def described_code(*items: Any) -> dict[str, str]:
    """The digest of the code of functions and classes, for a description.

    Args:
        *items: Functions, classes and other callables.

    Returns:
        Dict of one entry, whose key names the version of Python, or an empty
        dict for what comes from a package. Byte code is the same for one
        version of Python only.
    """
    parts = [part for item in items for part in _parts(item, set())]
    if not parts:
        return {}
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=16)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {f"code, Python {version}": digest.hexdigest()}


def described_state(item: Any) -> dict[str, Any]:
    """The public numbers and texts that an object of an own class holds.

    A class need not tell of them by `get_config`.

    Args:
        item: Object.

    Returns:
        Dict of one entry, or an empty one for objects of a package's classes.
    """
    if isinstance(item, types.FunctionType) or _is_of_a_package(type(item)):
        return {}
    state = {
        name: [*_value(value, set())]
        for name, value in sorted(getattr(item, "__dict__", {}).items())
        if not name.startswith("_") and name != "name"
    }
    return {"attributes": {name: part for name, part in state.items() if part}}


def code_text(code: types.CodeType) -> str:
    """Byte code as text, without the file and the lines it stands in.

    Args:
        code: Code object.

    Returns:
        Str.
    """
    constants = [
        code_text(c) if isinstance(c, types.CodeType) else _constant(c)
        for c in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _constant(value: Any) -> str:
    if isinstance(value, frozenset):
        # Their order is another one in every process.
        return repr(sorted(map(repr, value)))
    return repr(value)


def _parts(item: Any, seen: set[int]) -> Iterator[str]:
    """The code of an item, and of the functions of its own that it uses."""
    if id(item) in seen:
        return
    seen.add(id(item))
    if isinstance(item, functools.partial):
        yield from _parts(item.func, seen)
        for value in (*item.args, *sorted(item.keywords.items())):
            yield from _value(value, seen)
    elif isinstance(item, types.MethodType | staticmethod | classmethod):
        yield from _parts(item.__func__, seen)
    elif isinstance(item, property):
        yield from _parts(item.fget, seen)
    elif isinstance(item, types.FunctionType):
        yield from _function(item, seen)
    elif isinstance(item, type):
        for kind in item.__mro__:
            if not _is_of_a_package(kind):
                for name, member in sorted(vars(kind).items()):
                    if name == "__init__" or not name.startswith("__"):
                        yield from _parts(member, seen)
    elif callable(item) and not _is_of_a_package(type(item)):
        yield from _parts(type(item), seen)


def _function(function: types.FunctionType, seen: set[int]) -> Iterator[str]:
    wrapped = inspect.unwrap(function)
    if wrapped is not function:
        yield from _parts(wrapped, seen)
        return
    if _is_of_a_package(function):
        return
    code = function.__code__
    yield code_text(code)
    for value in function.__defaults__ or ():
        yield from _value(value, seen)
    for name, value in sorted((function.__kwdefaults__ or {}).items()):
        yield from _value((name, value), seen)
    for cell in function.__closure__ or ():
        try:
            yield from _value(cell.cell_contents, seen)
        except ValueError:  # a name that was not given a value yet
            continue
    for name in _names(code):
        if name in function.__globals__:
            yield from _value((name, function.__globals__[name]), seen)


def _names(code: types.CodeType) -> list[str]:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return [*code.co_names, *(name for c in inner for name in _names(c))]


def _value(value: Any, seen: set[int]) -> Iterator[str]:
    """What a function uses from elsewhere, as far as it can be told."""
    if isinstance(value, _PLAIN):
        yield repr(value)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _value(item, seen)
    elif isinstance(value, np.ndarray | np.generic):
        yield digest_array(np.asarray(value))
    elif isinstance(value, types.FunctionType | type):
        yield from _parts(value, seen)


def _is_of_a_package(item: Any) -> bool:
    module = getattr(item, "__module__", None) or ""
    if module.partition(".")[0] in _PACKAGES:
        return True
    if module == "__main__":  # whose file may be that of a launcher
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return file.startswith(_INSTALLED)
