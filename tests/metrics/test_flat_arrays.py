"""Flat arrays: in pieces, from tensors, as rows."""

import numpy as np
import pytest
import tensorflow as tf

from keras_sharpness.metrics.flat_arrays import add, as_rows, chunks, fill


def test_tensors_side_by_side():
    tensors = [tf.constant([[1.0, 2.0]]), tf.constant(3.0), tf.constant([4.0])]
    total = np.full(4, np.nan)
    fill(total, tensors)
    np.testing.assert_array_equal(total, [1.0, 2.0, 3.0, 4.0])
    add(total, tensors)
    np.testing.assert_array_equal(total, [2.0, 4.0, 6.0, 8.0])


def test_sums_are_float64():
    total = np.zeros(1)
    fill(total, [tf.constant([1.0])])
    add(total, [tf.constant([1e-10])])
    # In float32 the addend would be lost.
    assert total[0] == 1.0 + float(np.float32(1e-10))


@pytest.mark.parametrize("size", [2, 4095, 4096, 10_000])
def test_columns_as_rows(size):
    block = np.random.default_rng(0).standard_normal((size, 3))
    rows = as_rows(block, "float32")
    np.testing.assert_array_equal(rows, block.T.astype("float32"))
    assert rows.flags.c_contiguous


def test_contiguous_columns_are_not_copied():
    rows = np.ones((2, 5))
    assert as_rows(rows.T, "float32").base is rows
    vector = np.ones(5)
    assert np.shares_memory(as_rows(vector, "float32"), vector)


def test_chunks_cover_all():
    pieces = list(chunks(3, 25, 10))
    assert pieces == [slice(3, 13), slice(13, 23), slice(23, 25)]
    assert list(chunks(4, 4)) == []
