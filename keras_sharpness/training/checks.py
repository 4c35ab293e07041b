"""Checks of arrays that can be made before any work starts."""

from typing import Any

import keras
import numpy as np

from keras_sharpness import arguments


def as_arrays(name: str, value: Any, *, float_dtype: str = "float32") -> Any:
    """`value` as NumPy arrays, with the structure it came in.

    Args:
        name: Str. The argument's name, for the error message.
        value: Array-like, or a dict, list or tuple of array-likes.
        float_dtype: Str. The dtype floating-point arrays are cast to; whole
            numbers keep theirs, so that images of bytes stay small.

    Returns:
        The same nest of arrays; None stays None. Texts are objects.

    Raises:
        ValueError: If a leaf is not an array of numbers or texts.
    """
    if value is None:
        return None
    if not isinstance(value, str | bytes) and hasattr(value, "__next__"):
        raise ValueError(_not_an_array(name, value))
    leaves = keras.tree.flatten(value)
    if not leaves or not all(hasattr(leaf, "shape") for leaf in leaves):
        if isinstance(value, list | tuple):
            return _as_array(name, value, float_dtype)
        raise ValueError(_not_an_array(name, value))
    return keras.tree.map_structure(
        lambda leaf: _as_array(name, leaf, float_dtype), value
    )


def _as_array(name: str, value: Any, float_dtype: str) -> np.ndarray:
    arguments.complete(name, value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(_not_an_array(name, value)) from error
    if array.dtype.kind in "OSU" and all(
        isinstance(item, str | bytes) for item in array.flat
    ):
        return array.astype(object)
    # ml_dtypes' bfloat16 has kind "V".
    is_float = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    if not is_float and array.dtype.kind not in "iub":
        raise ValueError(_not_an_array(name, value))
    return array.astype(float_dtype, copy=False) if is_float else array


def _not_an_array(name: str, value: Any) -> str:
    received = f"{type(value).__module__}.{type(value).__name__}"
    if hasattr(value, "dtype"):
        received += f" of dtype {value.dtype}"
    return (
        f"`{name}` must be an array of numbers, or a dict, list or tuple of "
        f"arrays. Received: {name} is a {received}. Pass NumPy arrays; a data "
        "set is turned into arrays by stacking its batches, and sequences of "
        "uneven length by `keras.utils.pad_sequences`."
    )


def check_lengths(**data: Any) -> int:
    """The common number of samples of all arrays.

    Args:
        **data: Arrays or nests of arrays by name; None is left out.

    Returns:
        Int. The length N of every array's first axis.

    Raises:
        ValueError: If there are no samples, if an array has no axis, or if
            the lengths differ.
    """
    lengths = {}
    for name, value in data.items():
        for path, leaf in _leaves(name, value):
            if leaf.ndim == 0:
                raise ValueError(
                    f"`{path}` must have one entry per sample. Received a "
                    "single number. Pass an array of shape (N, ...)."
                )
            lengths[path] = len(leaf)
    text = ", ".join(f"{path}: {n}" for path, n in lengths.items())
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "All arrays must have the same number of samples. Received: "
            f"{text}. Cut them to the same length."
        )
    if not lengths or 0 in lengths.values():
        raise ValueError(
            f"There must be at least one sample. Received: {text or 'no data'}."
            " Pass arrays that are not empty."
        )
    return next(iter(lengths.values()))


def check_finite(name: str, value: Any, *, remedy: str) -> None:
    """Refuses NaN and infinity.

    Args:
        name: Str. What the arrays are called in the message.
        value: Array or nest of arrays; None passes.
        remedy: Str. What to do about it, a sentence.

    Raises:
        ValueError: If any entry is NaN or infinite.
    """
    for path, leaf in _leaves(name, value):
        if _is_exact(leaf):
            continue
        num_bad = leaf.size - np.count_nonzero(np.isfinite(leaf))
        if num_bad:
            raise ValueError(
                f"`{path}` must be finite. Received: {num_bad} of {leaf.size} "
                f"entries are NaN or infinite. {remedy}"
            )


def not_finite_samples(nest: Any) -> np.ndarray:
    """Which samples hold NaN or infinity.

    Args:
        nest: Array (N, ...) or nest of arrays.

    Returns:
        Array (N,) of bool, or a single False where no numbers can be missing.
    """
    found = np.zeros((), bool)
    for _, leaf in _leaves("", nest):
        if not _is_exact(leaf):
            bad = ~np.isfinite(leaf)
            found = found | bad.any(axis=tuple(range(1, leaf.ndim)))
    return found


def _is_exact(array: np.ndarray) -> bool:
    # Whole numbers and texts.
    return array.dtype.kind in "iubO"


def _leaves(name: str, value: Any) -> list[tuple[str, np.ndarray]]:
    """The arrays of a nest with names such as `x['image']`."""
    if value is None:
        return []
    if isinstance(value, dict):
        items = [(f"{name}[{key!r}]", item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        items = [(f"{name}[{i}]", item) for i, item in enumerate(value)]
    else:
        return [(name, value)]
    return [leaf for path, item in items for leaf in _leaves(path, item)]
