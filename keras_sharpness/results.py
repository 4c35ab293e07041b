"""What every measurement returns: frozen NumPy values that go to JSON."""

import base64
import dataclasses
import io
import json
import os
import pathlib
import tempfile
import zlib
from typing import Any, Self

import numpy as np

from keras_sharpness.version import __version__

# Longer arrays are packed: a displacement of 15 million weights written as
# decimal digits takes 300 MB and a minute to parse.
_LONGEST_LIST = 1000
_KINDS: dict[str, type["Result"]] = {}


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
        _KINDS[cls.__name__] = cls

    def to_dict(self) -> dict[str, Any]:
        """The result as a dict that `json.dumps` accepts."""
        fields = {
            field.name: encode(getattr(self, field.name))
            for field in dataclasses.fields(self)
        }
        kind = type(self).__name__
        return {"kind": kind, "keras_sharpness": __version__, **fields}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The result that `to_dict` made `values` from.

        Args:
            values: Dict, as returned by `to_dict`.

        Returns:
            A result of the class it was; on `Result` itself, of any class.

        Raises:
            ValueError: If `values` were made from another kind of result.
        """
        kind = _KINDS.get(values.get("kind", ""))
        if kind is None or not issubclass(kind, cls):
            raise ValueError(
                f"These values are not a `{cls.__name__}`. "
                f"Received: kind={values.get('kind')!r}. Known kinds: "
                f"{', '.join(sorted(_KINDS))}."
            )
        names = {field.name for field in dataclasses.fields(kind)}
        return kind(
            **{
                name: decode(value)
                for name, value in values.items()
                if name in names
            }
        )

    def save(self, path: str | os.PathLike) -> None:
        """Writes the result as JSON; never leaves a half-written file.

        Args:
            path: Path of the file, by custom `*.json`.
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
        text = pathlib.Path(path).read_text()
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path} is not a saved result (not JSON: {error}). "
                "Measure again and save the new result."
            ) from error
        if not isinstance(values, dict):
            raise ValueError(f"{path} is not a saved result (not an object).")
        return cls.from_dict(values)


def encode(value: Any) -> Any:
    """`value` in JSON's types; NumPy arrays keep their dtype and bits."""
    if isinstance(value, np.ndarray):
        kind = {"dtype": value.dtype.str, "shape": list(value.shape)}
        if value.size <= _LONGEST_LIST and value.dtype.kind in "fiub":
            # repr() of a float64 is exact, and so is a narrower one's.
            return {"array": encode(value.ravel().tolist()), **kind}
        packed = zlib.compress(np.ascontiguousarray(value).tobytes(), 1)
        return {"packed": base64.b85encode(packed).decode(), **kind}
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    """The inverse of `encode`; sequences come back as tuples."""
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        if value.keys() == {"array", "dtype", "shape"}:
            flat = np.array(decode(value["array"]), dtype=value["dtype"])
            return flat.reshape(value["shape"])
        if value.keys() == {"packed", "dtype", "shape"}:
            packed = zlib.decompress(base64.b85decode(value["packed"]))
            flat = np.frombuffer(packed, dtype=value["dtype"]).copy()
            return flat.reshape(value["shape"])
        return {key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    return value


def write_atomically(path: str | os.PathLike, data: bytes | io.BytesIO) -> None:
    """Writes `data` to `path` so that a kill leaves the old file or the new.

    The bytes go to a temporary file beside the target, reach the disk, and
    take the target's name in one step.

    Args:
        path: Path of the file to make or replace.
        data: The bytes.
    """
    path = pathlib.Path(path)
    content = data.getvalue() if isinstance(data, io.BytesIO) else data
    descriptor, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
