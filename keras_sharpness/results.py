"""What every measurement returns: frozen NumPy values that go to JSON."""

import base64
import contextlib
import dataclasses
import importlib
import inspect
import json
import os
import pathlib
import re
import zlib
from typing import Any, Self

import numpy as np

from keras_sharpness.files import write_atomically
from keras_sharpness.result_types import declared, typed
from keras_sharpness.version import __version__

# Longer arrays are packed: a displacement of 15 million weights written as
# decimal digits takes 300 MB and a minute to parse.
_LONGEST_LIST = 1000
_KINDS: dict[str, type["Result"]] = {}
_HEADER = ("kind", "module", "keras_sharpness")
# Files come from others. Only these modules are imported for them, and no
# `__main__`, which would run a program.
_OWN_MODULE = re.compile(r"keras_sharpness(\.(?!__)\w+)+", re.ASCII)
# Where to find what a file of an earlier version names by its module.
_MOVED = {
    **{
        f"keras_sharpness.landscape.{name}": "keras_sharpness.landscape.results"
        for name in (
            "bundle",
            "connection",
            "interpolation",
            "projection",
            "surface",
        )
    },
    "keras_sharpness.metrics.density_estimate": (
        "keras_sharpness.metrics.density"
    ),
}
# The dicts that `encode` puts in the place of other values.
_MARKS = ({"float"}, {"array", "dtype", "shape"}, {"packed", "dtype", "shape"})
_ESCAPED = (*_MARKS, {"dict"})
# What `decode` meets in a file that `encode` did not write.
_MALFORMED = (AttributeError, LookupError, TypeError, ValueError, zlib.error)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """Base of all results: a frozen dataclass of NumPy values.

    Subclasses add fields; `to_dict`, `save` and `load` then round-trip them
    through JSON bit for bit, long arrays as compressed base64.

    Example:

    ```python
    import dataclasses
    import numpy as np
    from keras_sharpness.results import Result

    @dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
    class Norm(Result):
        value: float
        vector: np.ndarray  # (P,)

    norm = Norm(value=5.0, vector=np.array([3.0, 4.0]))
    assert Norm.from_dict(norm.to_dict()).vector[1] == 4.0
    ```
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Registers the subclass, so that `Result.load` finds it by name."""
        super().__init_subclass__(**kwargs)
        taken = set(_HEADER) & inspect.get_annotations(cls).keys()
        if taken:
            raise TypeError(
                f"A field of a result cannot be named {', '.join(taken)}, "
                "which its file needs for itself. Rename it."
            )
        _KINDS[cls.__name__] = cls

    def to_dict(self) -> dict[str, Any]:
        """The result as a dict that `json.dumps` accepts."""
        fields = {
            field.name: encode(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }
        kind = type(self)
        header = (kind.__name__, kind.__module__, __version__)
        return {**dict(zip(_HEADER, header, strict=True)), **fields}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The result that `to_dict` made `values` from.

        The module of this package that defines the result is imported if it
        was not yet; classes of your own must have been defined before.

        Args:
            values: Dict, as returned by `to_dict`.

        Returns:
            A result of the class it was; on `Result` itself, of any class.

        Raises:
            ValueError: If `values` were made from another kind of result.
        """
        kind = _find(values)
        origin = (
            f"Received: kind={values.get('kind')!r}, "
            f"module={values.get('module')!r}, written by keras_sharpness "
            f"{values.get('keras_sharpness')}; this is {__version__}."
        )
        if kind is None or not issubclass(kind, cls):
            raise ValueError(
                f"These values are not a known `{cls.__name__}`. {origin} "
                "Import the module that defines its class first."
            )
        fields = dataclasses.fields(kind)
        hints = declared(kind)
        try:
            given = {
                field.name: typed(
                    field.name,
                    decode(values[field.name]),
                    hints.get(field.name, Any),
                )
                for field in fields
                if field.name in values
            }
            result = kind(**given)
            result.check()
        except (TypeError, ValueError) as error:
            # Also a field that this version has and the file does not.
            raise ValueError(f"{error}. {origin} Measure again.") from error
        return result

    def check(self) -> None:
        """Refuses fields that do not belong together, as of a damaged file.

        Raises:
            ValueError: If they do not.
        """

    def save(self, path: str | os.PathLike) -> None:
        """Writes the result as JSON; never leaves a half-written file.

        Args:
            path: Path of the file, by custom `*.json`.

        Raises:
            OSError: If it cannot be written; one sentence says why.
        """
        write_atomically(path, json.dumps(self.to_dict(), indent=1).encode())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Reads what `save` wrote.

        Args:
            path: Path of the file.

        Returns:
            The result, equal in every bit.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file does not hold such a result.
        """
        content = pathlib.Path(path).read_bytes()
        try:
            values = json.loads(content)
            if not isinstance(values, dict):
                raise ValueError("not an object")
            return cls.from_dict(values)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{path} is not a saved result, or a damaged one ({error}). "
                "Measure again and save the new result."
            ) from error


def _find(values: dict[str, Any]) -> type[Result] | None:
    """The class of a result, its module imported."""
    kind, module = values.get("kind"), values.get("module")
    if not isinstance(kind, str):
        return None
    if kind not in _KINDS and _OWN_MODULE.fullmatch(str(module)):
        # A module that only a later version has leaves the kind unknown, and
        # the caller says so.
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(_MOVED.get(module, module))
    return _KINDS.get(kind)


def encode(value: Any) -> Any:
    """`value` in JSON's types; NumPy arrays keep their dtype and bits.

    Args:
        value: None, bool, number, str, NumPy array or scalar, or a dict, list
            or tuple of such.

    Returns:
        A value that `json.dumps` accepts.

    Raises:
        TypeError: If a value is of another type.
    """
    if isinstance(value, np.ndarray):
        return _encode_array(value)
    if isinstance(value, np.generic):
        item = value.item()
        if not isinstance(item, np.generic):  # as longdouble's
            return encode(item)
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else {"float": repr(value)}
    if isinstance(value, dict):
        items = {str(key): encode(item) for key, item in value.items()}
        return {"dict": items} if items.keys() in _ESCAPED else items
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(
        "Results hold numbers, text, NumPy arrays, and dicts and sequences of "
        f"them. Received: {value!r} of type {type(value).__name__}. Convert "
        "it, e.g. with `str()` or `np.asarray()`."
    )


def _encode_array(array: np.ndarray) -> dict[str, Any]:
    if array.dtype.kind not in "biufcSUmM":
        raise TypeError(
            f"Arrays of dtype {array.dtype} cannot be saved. Convert it, e.g. "
            "with `.astype(np.float32)`."
        )
    head = {"dtype": array.dtype.str, "shape": list(array.shape)}
    # repr() of a float64 is exact, and so is a narrower one's.
    if array.size <= _LONGEST_LIST and (
        array.dtype.kind in "biu"
        or (array.dtype.kind == "f" and array.dtype.itemsize <= 8)
    ):
        return {"array": encode(array.ravel().tolist()), **head}
    packed = zlib.compress(np.ascontiguousarray(array).tobytes(), 1)
    return {"packed": base64.b85encode(packed).decode(), **head}


def decode(value: Any) -> Any:
    """The inverse of `encode`; sequences come back as tuples.

    Args:
        value: What `encode` returned.

    Returns:
        The value.

    Raises:
        ValueError: If `encode` cannot have returned that.
    """
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if value.keys() == {"dict"} and isinstance(value["dict"], dict):
        value = value["dict"]
    elif value.keys() in _MARKS:
        try:
            return _decode_marked(value)
        except _MALFORMED as error:
            raise ValueError(f"a damaged array or number: {error}") from error
    return {key: decode(item) for key, item in value.items()}


def _decode_marked(value: dict[str, Any]) -> Any:
    if "float" in value:
        return float(value["float"])
    if "array" in value:
        flat = np.array(decode(value["array"]), dtype=value["dtype"])
    else:
        packed = zlib.decompress(base64.b85decode(value["packed"]))
        flat = np.frombuffer(packed, dtype=value["dtype"]).copy()
    return flat.reshape(value["shape"])
