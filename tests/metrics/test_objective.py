"""The objective against values computed without Keras and TensorFlow."""

import numpy as np
import pytest

from keras_sharpness.metrics import Objective
from tests import oracle_networks


def relative(a, b):
    return np.linalg.norm(np.subtract(a, b)) / np.linalg.norm(b)


@pytest.mark.parametrize("name", sorted(oracle_networks.BUILDERS))
@pytest.mark.parametrize("batch_size", [None, 32, 7])
def test_value_gradient_and_products_equal_the_oracle(name, batch_size, floatx):
    model, data = oracle_networks.load(name)
    objective = Objective(model, data["x"], data["y"], batch_size=batch_size)
    # float64: sums of some hundred terms, each good to 1e-16, of networks
    # three layers deep. float32: 1e-7 per operation, some ten in a row, and a
    # product is a difference of larger terms.
    value_error, vector_error = {
        "float64": (1e-10, 1e-9),
        "float32": (1e-5, 1e-4),
    }[floatx]
    assert objective.value() == pytest.approx(data["loss"], rel=value_error)
    value, gradient = objective.value_and_gradient()
    assert value == pytest.approx(data["loss"], rel=value_error)
    # The quadratic's gradient vanishes: it is compared on the scale of H.
    scale = max(np.linalg.norm(data["gradient"]), 1.0)
    assert np.linalg.norm(gradient - data["gradient"]) < vector_error * scale
    block = objective.hessian_product(data["v"].T)
    assert block.shape == (objective.size, 3)
    for v, column, expected in zip(
        data["v"], block.T, data["hvp"], strict=True
    ):
        assert relative(column, expected) < vector_error
        assert relative(objective.hessian_product(v), expected) < vector_error
