"""One way of checking what callers pass, before any work starts."""

import numbers
import operator
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import numpy as np

_LONGEST = 100


def refuse(name: str, value: Any, must: str, remedy: str = "") -> ValueError:
    """The error of an argument, to be raised.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        must: Str. What it must be, e.g. `"a positive integer"`.
        remedy: Str. What to do, a sentence.

    Returns:
        A `ValueError`.
    """
    text = f"`{name}` must be {must}. Received: {name}={shown(value)}."
    return ValueError(f"{text} {remedy}".rstrip())


def shown(value: Any) -> str:
    """`value` as an error names it: short, and on one line."""
    if isinstance(value, pathlib.PurePath):
        return repr(str(value))
    if hasattr(value, "dtype") and getattr(value, "shape", ()) != ():
        kind = "masked array" if np.ma.isMA(value) else "array"
        return f"{kind} of shape {tuple(value.shape)}, {value.dtype}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # by a class of the caller's own
        text = ""
    if 0 < len(text) <= _LONGEST:
        return text
    return f"a {type(value).__name__}"


def integer(
    name: str,
    value: Any,
    *,
    least: int | None = None,
    most: int | None = None,
    optional: bool = False,
    remedy: str = "",
) -> Any:
    """`value` as an int; NumPy's integers are, bools and 2.0 are not.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        least: Int. The smallest value allowed.
        most: Int. The largest.
        optional: Bool. Whether None is allowed, and returned.
        remedy: Str. What to do about another value.

    Returns:
        Int.

    Raises:
        ValueError: If it is no such integer.
    """
    if value is None and optional:
        return None
    try:
        number = None if _is_no_number(value) else operator.index(value)
    except (TypeError, ValueError):
        number = None
    if (
        number is None
        or (least is not None and number < least)
        or (most is not None and number > most)
    ):
        example = max(1, least or 1) if most is None else most
        raise refuse(
            name,
            value,
            f"an integer{_range(least, most)}",
            remedy or f"Pass e.g. `{name}={example}`.",
        )
    return number


def seed(value: Any, name: str = "seed") -> int:
    """`value` as the seed of a random generator.

    Args:
        value: What was passed.
        name: Str. The argument's name.

    Returns:
        Int.

    Raises:
        ValueError: If it is no integer, or negative.
    """
    return integer(name, value, least=0, remedy=f"Pass e.g. `{name}=0`.")


def real(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    optional: bool = False,
    remedy: str = "",
) -> Any:
    """`value` as a finite float.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        above: Float. What it must exceed.
        least: Float. The smallest value allowed.
        most: Float. The largest.
        optional: Bool. Whether None is allowed, and returned.
        remedy: Str. What to do about another value.

    Returns:
        Float.

    Raises:
        ValueError: If it is no such number.
    """
    if value is None and optional:
        return None
    number = np.nan if _is_no_number(value) else _as_float(value)
    if not (
        np.isfinite(number)
        and (above is None or number > above)
        and (least is None or number >= least)
        and (most is None or number <= most)
    ):
        if above == 0.0 and most is None:
            must = "a positive, finite number"
        elif above is not None:
            end = "" if most is None else f" and at most {most}"
            must = f"a finite number above {above}{end}"
        else:
            must = f"a finite number{_range(least, most)}"
        raise refuse(name, value, must, remedy)
    return number


def boolean(name: str, value: Any) -> bool:
    """`value` as a bool.

    Args:
        name: Str. The argument's name.
        value: What was passed.

    Returns:
        Bool.

    Raises:
        ValueError: If it is neither True nor False.
    """
    if not isinstance(value, bool | np.bool_):
        raise refuse(name, value, "True or False")
    return bool(value)


def one_of(
    name: str, value: Any, allowed: Any, *, optional: bool = False
) -> Any:
    """`value`, if it is among the names that are allowed.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        allowed: A `Literal` of str, or an iterable of str.
        optional: Bool. Whether None is allowed as well.

    Returns:
        Str.

    Raises:
        ValueError: If it is none of them.
    """
    if value is None and optional:
        return None
    names = get_args(allowed) or tuple(allowed)
    if not isinstance(value, str) or value not in names:
        raise refuse(name, value, f"one of {', '.join(map(repr, names))}")
    return str(value)


def text(
    name: str, value: Any, *, optional: bool = False, empty: bool = False
) -> Any:
    """`value`, if it is text.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        optional: Bool. Whether None is allowed as well.
        empty: Bool. Whether text without a letter is allowed.

    Returns:
        Str.

    Raises:
        ValueError: If it is no text.
    """
    if value is None and optional:
        return None
    if not isinstance(value, str) or not (value or empty):
        raise refuse(name, value, "text" if empty else "text, not empty")
    return value


def path(name: str, value: Any, *, optional: bool = False) -> Any:
    """`value` as a path.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        optional: Bool. Whether None is allowed, and returned.

    Returns:
        `pathlib.Path`.

    Raises:
        ValueError: If it is neither text nor a path.
    """
    if value is None and optional:
        return None
    found = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(found, str) or not found or "\0" in found:
        raise refuse(name, value, "the path of a file or folder")
    return pathlib.Path(found)


def function(
    name: str, value: Any, does: str, *, optional: bool = False
) -> Callable:
    """`value`, if it can be called.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        does: Str. What it takes and returns, e.g. `"from an Objective to a
            float"`.
        optional: Bool. Whether None is allowed as well.

    Returns:
        The function.

    Raises:
        ValueError: If it cannot be called.
    """
    if not (callable(value) or (value is None and optional)):
        raise refuse(name, value, f"a function {does}")
    return value


def instance(
    name: str, value: Any, kind: Any, what: str, remedy: str = ""
) -> Any:
    """`value`, if it is an object of that kind.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        kind: Class, or tuple of classes.
        what: Str. What to call it, e.g. `"an Objective"`.
        remedy: Str. How to make one, a sentence.

    Returns:
        The object.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(value, kind):
        raise refuse(name, value, what, remedy)
    return value


def results(name: str, value: Any, kind: str, source: str) -> dict[str, Any]:
    """`value` as results by name: one alone, or a dict of several.

    Told by the name of their class, as a stored result is read without the
    module, and the framework, that made it.

    Args:
        name: Str. The argument's name.
        value: What was passed.
        kind: Str. The name of the results' class.
        source: Str. What makes them, e.g. `"ks.interpolate(…)"`.

    Returns:
        Dict from names to results; the name of one alone is `""`.

    Raises:
        ValueError: If there is none, or something else among them.
    """
    found = value
    if not isinstance(value, Mapping):
        found = {"": value}
    for item in found.values():
        if kind not in (base.__name__ for base in type(item).__mro__):
            raise refuse(
                name, item, f"a {kind}", f"Pass what {source} returned."
            )
    if not found:
        raise ValueError(
            f"`{name}` is empty, so there is nothing to draw. Pass what "
            f"{source} returned, or a dict of such results."
        )
    return {str(key): item for key, item in found.items()}


def array(
    name: str,
    value: Any,
    *,
    shape: tuple[int | None, ...] | None = None,
    remedy: str = "",
) -> np.ndarray:
    """`value` as a finite float64 array.

    Args:
        name: Str. The argument's name.
        value: What was passed, array-like.
        shape: Tuple of int, and of None where any length will do.
        remedy: Str. What to do about another shape.

    Returns:
        Array, the one passed where nothing has to be converted.

    Raises:
        ValueError: If it holds no real numbers, has another shape, or is not
            finite.
    """
    found = real_array(name, value)
    if shape is not None and (
        found.ndim != len(shape)
        or any(
            wanted not in (None, length)
            for wanted, length in zip(shape, found.shape, strict=True)
        )
    ):
        wanted = ", ".join("…" if n is None else str(n) for n in shape)
        comma = "," if len(shape) == 1 else ""
        raise ValueError(
            f"`{name}` must have shape ({wanted}{comma}). Received: shape "
            f"{found.shape}. {remedy}".rstrip()
        )
    if not np.all(np.isfinite(found)):
        raise ValueError(
            f"`{name}` must be finite. Received: NaN or infinity in "
            f"{np.count_nonzero(~np.isfinite(found))} of {found.size} entries."
        )
    return found


def real_array(name: str, value: Any, dtype: Any = np.float64) -> np.ndarray:
    """`value` as an array of real numbers, of which nothing is lost.

    Args:
        name: Str. The argument's name.
        value: What was passed, array-like.
        dtype: What it is converted to; None for its own.

    Returns:
        Array; NaN and infinity pass.

    Raises:
        ValueError: If it holds anything but real numbers.
    """
    complete(name, value)
    try:
        found = np.asarray(value)
    except (OverflowError, TypeError, ValueError):
        # Rows of several lengths, or an object that is no array.
        found = np.empty(0, object)
    complete(name, found)
    # ml_dtypes' bfloat16 has kind "V".
    if found.dtype.kind in "biuf" or found.dtype.name == "bfloat16":
        return np.asarray(found, dtype=dtype)
    raise refuse(name, value, "an array of real numbers")


def complete(name: str, value: Any) -> None:
    """Refuses arrays of which a conversion would lose a part without a word.

    Args:
        name: Str. The argument's name.
        value: Array or tensor, or a sequence of such; anything else passes.

    Raises:
        ValueError: If entries are masked, or complex.
    """
    if isinstance(value, list | tuple):
        for item in value:
            complete(name, item)
    elif np.ma.is_masked(value):
        raise ValueError(
            f"`{name}` has masked entries, which would count like all others. "
            f"Received: {name}={shown(value)}. Leave these samples out, or "
            "fill the entries in with `.filled(…)`."
        )
    elif "complex" in str(getattr(value, "dtype", "")) or isinstance(
        value, complex
    ):
        raise ValueError(
            f"`{name}` must be real. Received: {name}={shown(value)}. Pass "
            "real and imaginary parts as numbers of their own."
        )


def sample_weights(name: str, values: Iterable[Any]) -> None:
    """Refuses weights of samples by which there is no mean.

    Args:
        name: Str. The argument's name.
        values: Arrays of all weights there are.

    Raises:
        ValueError: If one is not finite, or if they sum to 0 or less.
    """
    total, count = 0.0, 0
    for value in values:
        weights = real_array(name, value)
        num_bad = weights.size - np.count_nonzero(np.isfinite(weights))
        if num_bad:
            raise ValueError(
                f"`{name}` must be finite. Received: {num_bad} of "
                f"{weights.size} entries are NaN or infinite. Remove or "
                "replace these samples."
            )
        total += float(np.sum(weights))
        count += weights.size
    if count and not total > 0.0:
        raise ValueError(
            f"`{name}` must have a positive sum. Received: a sum of {total:g} "
            f"over {count} samples, so that no loss is left to speak of. Give "
            "the samples that count positive weights."
        )


def _is_no_number(value: Any) -> bool:
    """Bools, masked and complex numbers, text, and arrays with axes."""
    if isinstance(value, bool | str | bytes) or np.ma.isMA(value):
        return True
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return not isinstance(value, numbers.Real)
    return str(dtype).startswith(("bool", "complex", "object", "<U")) or (
        tuple(getattr(value, "shape", ())) != ()
    )


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return np.nan


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f" of at least {least}"
    return "" if most is None else f" of at most {most}"
