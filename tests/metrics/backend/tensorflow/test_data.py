"""Data that are no arrays, against NumPy row by row."""

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from keras_sharpness.metrics.backend import (
    cast_floats,
    gather,
    is_infinite,
    is_ragged_or_sparse,
    join,
    rows,
    sparse_tensor,
)

DENSE = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0], [0.0, 0.0, 4.0]])
LISTS = [[1.0], [2.0, 3.0], [], [4.0, 5.0, 6.0]]


@pytest.fixture
def sparse():
    # Entries in the order of columns, which SciPy allows.
    matrix = scipy.sparse.csc_matrix(DENSE).tocoo()
    return sparse_tensor(matrix)


@pytest.fixture
def ragged():
    return tf.ragged.constant(LISTS, dtype=tf.float64)


def test_sparse_tensors_are_those_of_scipy(sparse):
    np.testing.assert_array_equal(tf.sparse.to_dense(sparse), DENSE)


@pytest.mark.parametrize(("start", "stop"), [(0, 2), (1, 3), (2, 9)])
def test_rows(sparse, ragged, start, stop):
    np.testing.assert_array_equal(
        tf.sparse.to_dense(rows(sparse, start, stop)), DENSE[start:stop]
    )
    np.testing.assert_array_equal(rows(DENSE, start, stop), DENSE[start:stop])
    assert rows(ragged, start, stop).to_list() == LISTS[start:stop]


def test_what_is_joined_can_be_gathered(sparse, ragged):
    numbers = np.array([0, 3, 3, 5])
    whole = join([ragged, ragged])
    assert gather(whole, numbers).to_list() == [
        (LISTS * 2)[number] for number in numbers
    ]
    for tensor in (tf.constant(DENSE), sparse):
        whole = join([tensor, tensor])
        np.testing.assert_array_equal(
            gather(whole, numbers), np.tile(DENSE, (2, 1))[numbers]
        )


def test_floating_point_numbers_are_cast_and_others_are_not(sparse, ragged):
    assert cast_floats(sparse, "float32").dtype == "float32"
    assert cast_floats(ragged, "float32").dtype == "float32"
    whole = tf.ragged.constant([[1], [2, 3]], dtype=tf.int64)
    assert cast_floats(whole, "float32").dtype == "int64"


def test_kinds(sparse, ragged):
    assert is_ragged_or_sparse(sparse)
    assert is_ragged_or_sparse(ragged)
    assert not is_ragged_or_sparse(DENSE)
    assert not is_ragged_or_sparse(tf.constant(DENSE))
    assert not is_ragged_or_sparse(scipy.sparse.csr_matrix(DENSE))


def test_data_sets_without_an_end():
    data = tf.data.Dataset.range(3)
    assert is_infinite(data.repeat())
    assert not is_infinite(data)
    # Of unknown length.
    assert not is_infinite(data.filter(lambda number: number > 1))
    assert not is_infinite([1, 2])
