"""Arrays, tf.data and PyDataset as repeatable batches of known size."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_sharpness import arguments
from keras_sharpness.metrics.backend import (
    cast_floats,
    is_infinite,
    is_ragged_or_sparse,
    rows,
    sparse_tensor,
)

# Measured on two cores on a dense network of 1.5 million weights: Hessian
# products cost least per sample at about this size, gradients a fifth more than
# in batches eight times larger.
DEFAULT_BATCH_SIZE = 500
_UNEVEN = (
    "Sequences of uneven length go in a `tf.ragged.constant(...)`, or padded "
    "by `keras.utils.pad_sequences`."
)


class Batch(NamedTuple):
    """One batch of tensors, and how many samples it holds."""

    x: Any
    y: Any
    sample_weight: Any
    size: int


def as_yielded(x: Any, y: Any, sample_weight: Any) -> Any:
    """A batch as the data yield it.

    Args:
        x: Nested tensors.
        y: Nested tensors, or None.
        sample_weight: Tensor, or None.

    Returns:
        x, (x, y) or (x, y, sample_weight): None at the end is left out.
    """
    if sample_weight is not None:
        return x, y, sample_weight
    return x if y is None else (x, y)


class Batches:
    """Data as batches that come in the same order at every pass.

    Args:
        x: Array of numbers or texts, ragged or sparse tensor, or dict, list
            or tuple of them, of N samples each; or a `tf.data.Dataset` or
            `keras.utils.PyDataset` of batches `(x, y)` or
            `(x, y, sample_weight)`.
        y: Array of targets (nested as the model's outputs), where `x` does
            not bring them.
        sample_weight: Array (N,) of weights, where `x` does not bring them;
            nested as the outputs where they differ.
        class_weight: Dict of class number to weight, which each sample gets
            for its class.
        batch_size: Int. Samples per batch, for arrays; the last one may be
            shorter.
        dtype: Str. Floating-point dtype to which arrays are cast.

    Raises:
        ValueError: For empty data, unequal lengths, and data that cannot be
            read twice.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        batch_size: int | None = None,
        dtype: str = "float32",
    ):
        self._dtype = dtype
        self._class_weight = class_weight
        self._tensors = None
        self._source = None
        if isinstance(x, keras.utils.PyDataset) or _is_dataset(x):
            if y is not None or sample_weight is not None:
                raise ValueError(
                    "`y` and `sample_weight` come with the batches of "
                    f"{type(x).__name__}. Pass the data set alone."
                )
            if batch_size is not None:
                raise ValueError(
                    f"The batches of {type(x).__name__} have their size. Leave "
                    "`batch_size` out, or pass arrays."
                )
            self._source = x
            self.batch_size = None
        else:
            self.batch_size = arguments.integer(
                "batch_size",
                DEFAULT_BATCH_SIZE if batch_size is None else batch_size,
                least=1,
            )
            self._tensors = self._slice(x, y, sample_weight)

    def _weights_of(self, y: Any, sample_weight: Any) -> Any:
        if self._class_weight is None:
            return sample_weight
        if sample_weight is not None:
            raise ValueError(
                "`class_weight` and `sample_weight` exclude each other. "
                "Multiply them into one `sample_weight`."
            )
        return sample_weights_of_classes(y, self._class_weight)

    def _slice(self, x: Any, y: Any, sample_weight: Any) -> list[Batch]:
        sample_weight = self._weights_of(y, sample_weight)
        data = {"x": x, "y": y, "sample_weight": sample_weight}
        for name, value in data.items():
            if value is not None and not keras.tree.flatten(value):
                raise arguments.refuse(name, value, "an array of samples")
        arrays = tuple(
            keras.tree.map_structure(
                lambda a, name=name: _as_array(name, a, self._dtype), value
            )
            for name, value in data.items()
        )
        lengths = {
            int(a.shape[0]) for a in keras.tree.flatten(arrays) if a is not None
        }
        if len(lengths) > 1:
            several = (
                " A list of arrays is taken as several inputs or outputs of "
                f"the model. {_UNEVEN}"
                if isinstance(x, list | tuple) or isinstance(y, list | tuple)
                else ""
            )
            raise ValueError(
                "`x`, `y` and `sample_weight` must have the same number of "
                f"samples. Received: {', '.join(map(str, sorted(lengths)))}."
                f"{several}"
            )
        num_samples = lengths.pop() if lengths else 0
        if num_samples == 0:
            raise ValueError("The data are empty. Pass at least one sample.")

        def batch(start):
            part = keras.tree.map_structure(
                lambda a: (
                    None
                    if a is None
                    else keras.ops.convert_to_tensor(
                        rows(a, start, start + self.batch_size)
                    )
                ),
                arrays,
            )
            return Batch(*part, min(self.batch_size, num_samples - start))

        return [batch(s) for s in range(0, num_samples, self.batch_size)]

    def __iter__(self) -> Iterator[Batch]:
        """Yields the batches of one pass."""
        if self._tensors is not None:
            yield from self._tensors
            return
        count = 0
        for item in _one_pass(self._source):
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(item)
            sample_weight = self._weights_of(y, sample_weight)
            data = {"x": x, "y": y, "sample_weight": sample_weight}
            x, y, sample_weight = (
                keras.tree.map_structure(
                    lambda a, name=name: _as_tensor(name, a), value
                )
                for name, value in data.items()
            )
            leaves = keras.tree.flatten(x)
            if not leaves or len(leaves[0].shape) == 0:
                raise ValueError(
                    f"{type(self._source).__name__} yields single numbers, not "
                    "batches. Call `.batch(…)` on it first."
                )
            size = int(leaves[0].shape[0])
            if size:
                count += 1
                yield Batch(x, y, sample_weight, size)
        if not count:
            raise ValueError(
                f"{type(self._source).__name__} yields no samples. Pass at "
                "least one batch."
            )


def _as_tensor(name: str, values: Any) -> Any:
    if values is None:
        return None
    arguments.complete(name, values)
    return keras.ops.convert_to_tensor(values)


def sample_weights_of_classes(
    y: Any, class_weight: Mapping[int, float]
) -> np.ndarray:
    """The weight of each sample's class, 1 for a class that has none.

    As `model.fit(class_weight=…)` understands it.

    Args:
        y: Array (n,) or (n, 1) of class numbers, or one-hot (n, C).
        class_weight: Dict of class number to weight.

    Returns:
        Array (n,), float64.

    Raises:
        ValueError: If the targets are not one class per sample, or the weights
            not a dict of class numbers.
    """
    arguments.instance(
        "class_weight",
        class_weight,
        Mapping,
        "a dict of class number to weight",
        "Pass e.g. `{0: 1.0, 1: 5.0}`.",
    )
    for number, weight in class_weight.items():
        arguments.integer("class_weight", number, least=0)
        arguments.real(f"class_weight[{number}]", weight)
    if class_weight and not any(w > 0 for w in class_weight.values()):
        raise arguments.refuse(
            "class_weight", class_weight, "positive for one class at least"
        )
    if not hasattr(y, "shape") or not 1 <= len(y.shape) <= 2:
        raise ValueError(
            "`class_weight` needs one class per sample. Received: targets "
            f"{getattr(y, 'shape', type(y).__name__)}. Pass `sample_weight`."
        )
    labels = keras.ops.convert_to_numpy(y)
    if labels.ndim == 2:
        one_hot = labels.shape[1] > 1
        labels = labels.argmax(axis=1) if one_hot else labels[:, 0]
    weights = np.ones(len(labels))
    for number, weight in class_weight.items():
        weights[np.round(labels) == number] = weight
    return weights


def _one_pass(source: Any) -> Iterable:
    if isinstance(source, keras.utils.PyDataset):
        num_batches = source.num_batches
        if num_batches is None:
            raise ValueError(
                f"{type(source).__name__} does not say how many batches it "
                "has. Give it a `num_batches` property."
            )
        # By index and on this thread: a pass must not depend on workers, nor
        # tell the caller's data set that an epoch has ended.
        return (source[index] for index in range(num_batches))
    return source


def _is_dataset(x: Any) -> bool:
    """Whether `x` yields batches; refuses what can be read only once."""
    if isinstance(x, np.ndarray | dict | list | tuple) or hasattr(x, "shape"):
        return False
    if not isinstance(x, Iterable) or isinstance(x, str | bytes):
        raise arguments.refuse(
            "x",
            x,
            "an array, a dict or list of arrays, a tf.data.Dataset or a "
            "keras.utils.PyDataset",
        )
    if isinstance(x, Iterator):
        raise ValueError(
            f"`x` is a {type(x).__name__}, which can be read only once; a "
            "measurement reads the data many times. Pass arrays, a "
            "tf.data.Dataset or a keras.utils.PyDataset."
        )
    if is_infinite(x):
        raise ValueError(
            "`x` is an infinite data set. Leave out `.repeat()`, or end it "
            "with `.take(…)`."
        )
    return True


def _as_array(name: str, values: Any, dtype: str) -> Any:
    """An array, or a ragged or sparse tensor; floating numbers as `dtype`."""
    if values is None:
        return None
    if hasattr(values, "tocoo"):  # a matrix of scipy.sparse
        values = sparse_tensor(values.tocoo())
    arguments.complete(name, values)
    if is_ragged_or_sparse(values):
        return cast_floats(values, dtype)
    array = np.asarray(values)
    arguments.complete(name, array)
    if array.dtype == object and not _are_texts(array):
        kinds = sorted({type(item).__name__ for item in array.flat})
        raise ValueError(
            f"`{name}` holds Python objects ({', '.join(kinds[:3])}), not "
            "numbers. Convert them with `np.asarray(..., dtype='float32')`; "
            "texts with `.astype(str)`. "
            f"{_UNEVEN}"
        )
    if array.ndim == 0:
        raise arguments.refuse(
            name,
            values,
            "an array of samples",
            "Numbers and texts in a list need `np.asarray(...)` around it. "
            f"{_UNEVEN}",
        )
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _are_texts(array: np.ndarray) -> bool:
    # As pandas and TensorFlow give them.
    return array.size > 0 and all(
        isinstance(item, str | bytes) for item in array.flat
    )
