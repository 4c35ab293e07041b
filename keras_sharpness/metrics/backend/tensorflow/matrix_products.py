"""Products of matrices whose derivatives are large products of matrices."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_sharpness.metrics.replaced_functions import (
    replaced_functions,
)


@contextlib.contextmanager
def large_matrix_products() -> Iterator[None]:
    """Within the block batches of small products are few large ones.

    A layer that multiplies every step of a sequence by the same matrix calls
    `tf.matmul` with a batch of activations and one matrix. TensorFlow
    differentiates that as a batch of products, the derivative by the matrix
    one for every sample, summed later, and repeats a change of the matrix for
    every sample. Here the activations are one matrix, of batch times steps
    rows.

    `tf.einsum` of two tensors brings both into the order of its kernel at
    every call, and every derivative is another call. Here that is done by
    operations of the graph, which all derivatives share.

    Values differ in the last digits at most. What is neither, sparse tensors
    and other threads keep TensorFlow's own.

    Yields:
        Nothing.
    """
    plain_matmul = tf.matmul

    def large_matmul(
        matmul: Callable, a: Any, b: Any, *args: Any, **options: Any
    ) -> Any:
        if not any(args) and not any(options.values()):
            product = _by_one_matrix(matmul, a, b)
            if product is not None:
                return product
        return matmul(a, b, *args, **options)

    def shared_einsum(
        einsum: Callable, equation: str, *inputs: Any, **options: Any
    ) -> Any:
        if len(inputs) == 2:
            product = _in_shared_order(plain_matmul, equation, *inputs)
            if product is not None:
                return product
        return einsum(equation, *inputs, **options)

    with replaced_functions(tf, matmul=large_matmul, einsum=shared_einsum):
        yield


def _by_one_matrix(matmul: Any, a: Any, b: Any) -> tf.Tensor | None:
    """`a` (..., n) times `b` (n, m), or None where they are others."""
    if not _are_dense(a, b):
        return None
    a, b = tf.convert_to_tensor(a), tf.convert_to_tensor(b)
    if not a.shape.rank or a.shape.rank < 3 or b.shape.rank != 2:
        return None
    shape = _with_one_open([*a.shape[:-1], b.shape[-1]])
    length = a.shape[-1]
    if shape is None or length is None:
        return None
    return tf.reshape(matmul(tf.reshape(a, [-1, length]), b), shape)


def _in_shared_order(
    matmul: Any, equation: str, x: Any, y: Any
) -> tf.Tensor | None:
    """The sum of products of two tensors, or None where it is not simple."""
    labels = _labels(equation)
    if labels is None or not _are_dense(x, y):
        return None
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    of_x, of_y, wanted = labels
    if len(of_x) != x.shape.rank or len(of_y) != y.shape.rank:
        return None
    rows = [label for label in wanted if label not in of_y]
    columns = [label for label in wanted if label not in of_x]
    if columns and wanted.index(columns[0]) < min(map(wanted.index, rows)):
        # So that the result need not be transposed.
        x, y, of_x, of_y, rows, columns = y, x, of_y, of_x, columns, rows
    batch = [label for label in wanted if label in of_x and label in of_y]
    summed = [label for label in of_x if label not in wanted]
    lengths = {}
    for label, length in [
        *zip(of_x, x.shape, strict=True),
        *zip(of_y, y.shape, strict=True),
    ]:
        if lengths.setdefault(label, length) != length:
            return None
    # A transposition that leaves the last axis where it is moves whole rows.
    row_last, column_last = of_x[-1] in rows, of_y[-1] in columns
    groups_of_x = [summed, rows] if row_last else [rows, summed]
    groups_of_y = [summed, columns] if column_last else [columns, summed]
    first = _arranged(x, of_x, batch, groups_of_x, lengths)
    second = _arranged(y, of_y, batch, groups_of_y, lengths)
    shape = _with_one_open([lengths[label] for label in batch + rows + columns])
    if first is None or second is None or shape is None:
        return None
    product = matmul(
        first, second, transpose_a=row_last, transpose_b=not column_last
    )
    return _transposed(
        tf.reshape(product, shape), batch + rows + columns, wanted
    )


def _labels(equation: str) -> tuple[str, str, str] | None:
    """Those of both inputs and of the output, where each has its part."""
    left, arrow, wanted = equation.replace(" ", "").partition("->")
    of_x, comma, of_y = left.partition(",")
    if not arrow or not comma or not (of_x + of_y + wanted).isalpha():
        return None
    x, y, output = set(of_x), set(of_y), set(wanted)
    is_simple = (
        [len(x), len(y), len(output)] == [len(of_x), len(of_y), len(wanted)]
        # A sum of one input alone; an output that stands in neither.
        and (x ^ y) <= output <= (x | y)
        and x - y
        and y - x
        and (x & y) - output
    )
    return (of_x, of_y, wanted) if is_simple else None


def _arranged(
    tensor: tf.Tensor,
    labels: str,
    batch: list[str],
    groups: list[list[str]],
    lengths: dict[str, int | None],
) -> tf.Tensor | None:
    """A tensor with the axes of a batch first, and a matrix behind them."""
    tensor = _transposed(tensor, labels, [*batch, *groups[0], *groups[1]])
    if len(groups[0]) == len(groups[1]) == 1:
        return tensor
    shape = _with_one_open(
        [lengths[label] for label in batch]
        + [_length([lengths[label] for label in group]) for group in groups]
    )
    return None if shape is None else tf.reshape(tensor, shape)


def _transposed(
    tensor: tf.Tensor, before: Sequence[str], after: Sequence[str]
) -> tf.Tensor:
    if list(before) == list(after):
        return tensor
    return tf.transpose(tensor, [before.index(label) for label in after])


def _length(lengths: list[int | None]) -> int | None:
    return None if None in lengths else math.prod(lengths)


def _with_one_open(shape: list[int | None]) -> list[int] | None:
    if shape.count(None) > 1:
        return None
    return [-1 if length is None else length for length in shape]


def _are_dense(*tensors: Any) -> bool:
    # Convertible ones like arrays may get their dtype from the other tensor.
    return all(isinstance(t, (tf.Tensor, keras.Variable)) for t in tensors)
