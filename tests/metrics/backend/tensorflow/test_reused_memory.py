"""Memory is used again, and never while somebody holds it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.metrics.backend.tensorflow.reused_memory import (
    ReusedMemory,
)
from keras_sharpness.metrics.operators import HessianOperator
from tests import oracle_networks


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
