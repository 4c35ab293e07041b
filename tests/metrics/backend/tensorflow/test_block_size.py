"""How many vectors are multiplied at once."""

import keras
import numpy as np
import pytest

import keras_sharpness as ks
from keras_sharpness.metrics.backend.tensorflow.block_size import (
    MAX_BLOCK,
    at_once_of,
    block_size_for,
)
from tests import oracle_networks


@pytest.mark.parametrize(
    # Half of it is used, and A (1 + K/2) fits: K = 2 (available / 2A - 1).
    ("gradients_free", "expected"),
    [(0.5, 1), (2, 1), (4, 2), (6, 4), (10, MAX_BLOCK), (1000, MAX_BLOCK)],
)
def test_fits_in_half_of_what_is_free(gradients_free, expected):
    available = int(gradients_free * 1000)
    assert block_size_for(1000, available=available) == expected


def test_the_machine_is_asked():
    # 280 bytes fit eight times on any machine, and so do none.
    assert block_size_for(280) == block_size_for(0) == MAX_BLOCK


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("num_vectors", range(1, 41))
def test_at_once_leaves_no_rest_if_it_can(num_vectors, fused):
    at_once = at_once_of(num_vectors, fused=fused)
    assert 1 <= at_once <= min(num_vectors, MAX_BLOCK)
    divisors = [n for n in range(3, MAX_BLOCK + 1) if num_vectors % n == 0]
    if set(divisors) - ({8} if fused else {3}):
        assert at_once in divisors
    # More calls than two or three of one size cost time.
    if num_vectors >= 8:
        assert at_once >= 3


@pytest.mark.parametrize("block_size", [1, 3, None])
def test_products_do_not_depend_on_it(float64, block_size):
    model, data = oracle_networks.load("mlp_tanh")
    objective = ks.Objective(model, data["x"], data["y"], block_size=block_size)
    block = np.random.default_rng(0).standard_normal((objective.size, 10))
    block[:, :3] = data["v"].T
    product = objective.hessian_product(block)[:, :3]
    error = np.linalg.norm(product - data["hvp"].T)
    # Rounding of float64, as in the tests of the operators.
    assert error < 1e-9 * np.linalg.norm(data["hvp"])


def test_it_must_be_positive(float64):
    model, data = oracle_networks.load("mlp_tanh")
    with pytest.raises(ValueError, match="block_size=0"):
        ks.Objective(model, data["x"], data["y"], block_size=0)


def test_blocks_of_all_sizes_are_traced_once():
    calls = []

    class Counting(keras.layers.Dense):
        def call(self, inputs):
            calls.append(inputs)
            return super().call(inputs)

    model = keras.Sequential([keras.Input((4,)), Counting(3)])
    x = np.random.default_rng(0).standard_normal((12, 4))
    objective = ks.Objective(model, x, x[:, :3], loss="mean_squared_error")
    block = np.random.default_rng(0).standard_normal((objective.size, 11))
    products = objective.hessian_product(block[:, :2])
    before = len(calls)
    assert before
    for width in (3, 8, 11):
        wider = objective.hessian_product(block[:, :width])
        # Sums of a dozen terms in float32.
        np.testing.assert_allclose(wider[:, :2], products, rtol=1e-5, atol=1e-6)
    assert len(calls) == before
