"""The digits of products: of networks, of other operators, of sums."""

import keras
import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import keras_sharpness as ks
from keras_sharpness.metrics.operators import HessianOperator
from keras_sharpness.metrics.rounding import (
    choose_basis_dtype,
    rounding_of_products,
    underflow_of_products,
)
from tests.conftest import precision


def operator_of(policy):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    layer = keras.layers.Dense(2, dtype=policy)
    model = keras.Model(inputs, layer(inputs))
    return HessianOperator(
        ks.Objective(model, np.eye(3), np.ones((3, 2)), loss="mse")
    )


def test_operators_without_a_network_are_float64():
    operator = aslinearoperator(np.eye(3))
    assert choose_basis_dtype(operator) == "float64"
    assert choose_basis_dtype(operator, "float32") == "float32"
    with pytest.raises(ValueError, match="basis_dtype"):
        choose_basis_dtype(operator, "float16")
    assert underflow_of_products(operator) == 0.0
    assert rounding_of_products(2 * operator) == 2.0**-52


@pytest.mark.parametrize(
    ("dtype", "basis", "epsilon", "tiny"),
    [
        ("float32", "float32", 2.0**-23, 2.0**-126),
        ("mixed_float16", "float32", 2.0**-10, 2.0**-126),
        ("mixed_bfloat16", "float32", 2.0**-7, 2.0**-126),
        ("float64", "float64", 2.0**-52, 2.0**-1022),
    ],
)
def test_of_a_network(dtype, basis, epsilon, tiny):
    with precision("float64" if dtype == "float64" else "float32"):
        operator = operator_of(dtype)
    assert choose_basis_dtype(operator) == basis
    # Eight weights.
    assert underflow_of_products(operator) == np.sqrt(8.0) * tiny
    # A sum is as exact as what it is made of.
    other = aslinearoperator(np.eye(8))
    for made in (operator, 2 * operator, other + operator):
        assert rounding_of_products(made) == epsilon
