"""Flat arrays: in pieces, from tensors, as rows."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

import keras_sharpness as ks
from keras_sharpness.metrics.flat_arrays import (
    ReusedMemory,
    add,
    as_rows,
    chunks,
    fill,
)
from keras_sharpness.metrics.operators import HessianOperator
from tests import oracle_networks


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
    rows = as_rows(block, "float32", ReusedMemory())
    np.testing.assert_array_equal(rows, block.T.astype("float32"))
    assert rows.flags.c_contiguous


def test_contiguous_columns_are_not_copied():
    rows = np.ones((2, 5))
    assert as_rows(rows.T, "float32", ReusedMemory()).base is rows
    vector = np.ones(5)
    assert np.shares_memory(as_rows(vector, "float32", ReusedMemory()), vector)


def test_chunks_cover_all():
    pieces = list(chunks(3, 25, 10))
    assert pieces == [slice(3, 13), slice(13, 23), slice(23, 25)]
    assert list(chunks(4, 4)) == []


def place(array):
    return array.ctypes.data


def test_memory_is_used_again_when_all_views_are_gone():
    memory = ReusedMemory()
    array = memory.empty("a", (3, 4), "float64")
    column, start = array.T[1], place(array)
    del array
    other = memory.empty("a", (3, 4), "float64")
    assert abs(place(other) - start) >= 12 * 8  # either's bytes
    last = place(other)
    del column, other
    smaller = memory.empty("a", (5,), "float32")
    assert place(smaller) == last
    assert smaller.shape == (5,)
    assert smaller.dtype == "float32"


def test_larger_arrays_and_other_purposes_get_their_own():
    memory = ReusedMemory()
    first = memory.empty("a", (4,), "float64")
    assert place(memory.empty("b", (4,), "float64")) != place(first)
    del first
    large = memory.empty("a", (1000, 1000), "float64")
    large[...] = 1.0
    assert np.sum(large) == 1e6
    assert memory.empty("a", (0, 3), "float32").size == 0


def test_threads_never_share():
    memory = ReusedMemory()

    def keeps_its_own(number):
        for _ in range(2000):
            array = memory.empty("a", (64,), "int64")
            array[...] = number
            if np.any(array != number):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(keeps_its_own, range(4)))


@pytest.mark.parametrize("count", [1, 3, 4])
def test_products_that_are_held_stay_as_they_are(count, float64):
    model, data = oracle_networks.load("mlp_tanh")
    hessian = HessianOperator(ks.Objective(model, data["x"], data["y"]))
    generator = np.random.default_rng(0)
    blocks = generator.standard_normal((3, hessian.shape[0], count))
    held = [hessian @ block for block in blocks]
    part = (hessian @ blocks[0])[:, -1]
    again = [np.array(hessian @ block) for block in blocks]
    for product, same in zip(held, again, strict=True):
        np.testing.assert_array_equal(product, same)
    np.testing.assert_array_equal(part, again[0][:, -1])
