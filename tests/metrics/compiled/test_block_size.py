"""How many vectors are multiplied at once."""

import numpy as np
import pytest
import tensorflow as tf

import keras_sharpness as ks
from keras_sharpness.metrics.compiled.block_size import (
    MAX_BLOCK,
    block_size_for,
    graph_bytes,
)
from tests import oracle_networks


@pytest.fixture
def function():
    @tf.function(
        input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([3, 5])]
    )
    def multiply(x, w):
        return tf.linalg.matmul(x, w)

    return multiply.get_concrete_function()


def test_bytes_of_a_graph(function):
    # The product and the identity that returns it, 7 x 5 float32 each.
    assert graph_bytes(function, 7) == 2 * 7 * 5 * 4


@pytest.mark.parametrize(
    # Half of it is used, and A (1 + K/2) fits: K = 2 (available / 2A - 1).
    ("gradients_free", "expected"),
    [(0.5, 1), (2, 1), (4, 2), (6, 4), (10, MAX_BLOCK), (1000, MAX_BLOCK)],
)
def test_fits_in_half_of_what_is_free(function, gradients_free, expected):
    available = int(gradients_free * graph_bytes(function, 7))
    assert block_size_for(function, 7, available=available) == expected


def test_the_machine_is_asked(function):
    # A graph of 280 bytes fits eight times on any machine.
    assert block_size_for(function, 7) == MAX_BLOCK


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
