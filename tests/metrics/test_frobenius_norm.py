"""Frobenius norms against dense matrices."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from keras_sharpness.metrics.frobenius_norm import hessian_frobenius_norm
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.results import Result
from tests import oracle_networks
from tests.conftest import precision
from tests.metrics import spectra


def covered(operator, **options):
    runs = [
        hessian_frobenius_norm(operator, seed=seed, **options)
        for seed in range(200)
    ]
    return spectra.coverage(
        [run.value for run in runs],
        [run.standard_error for run in runs],
        np.linalg.norm(operator.matrix),
    )


@pytest.mark.parametrize("options", [{}, {"relative_error": 0.1}])
@pytest.mark.parametrize("name", sorted(spectra.SPECTRA))
def test_standard_errors_are_honest(name, options):
    # 95.45 % but for skewed samples, and √(p (1 − p) / 200) = 1.5 %.
    held = covered(spectra.known(name), **options)
    assert 0.90 <= held <= 0.99


def test_standard_errors_are_honest_on_a_network():
    with precision("float64"):
        model, data = oracle_networks.load("mlp_tanh")
        objective = Objective(model, data["x"], data["y"])
        matrix = objective.hessian_product(np.eye(objective.size))
    np.testing.assert_allclose(
        np.linalg.norm(matrix), data["frobenius_norm"], rtol=1e-9
    )
    assert 0.90 <= covered(spectra.Matrix(matrix)) <= 0.99


def test_values_of_the_oracle(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    result = hessian_frobenius_norm(objective)
    apart = abs(result.value - data["frobenius_norm"])
    # 1e-9 for the rounding of products, all there is for a diagonal Hessian.
    limit = 4 * result.standard_error + 1e-9 * data["frobenius_norm"]
    assert apart <= limit
    assert result.objective == objective.settings


def test_samples_products_and_blocks():
    operator = spectra.known("both signs")
    few, more = (
        hessian_frobenius_norm(operator, num_probes=n) for n in (12, 40)
    )
    # The order of summation may depend on the width of a block.
    np.testing.assert_allclose(more.samples[:12], few.samples, rtol=1e-12)
    assert operator.widths == [8, 4, *[8] * 5]
    assert (few.num_products, more.num_products) == (12, 40)
    assert np.isclose(few.value**2, np.mean(few.samples))


def test_a_search_adds_probes_until_the_error_is_small():
    operator = spectra.known("dominated")
    result = hessian_frobenius_norm(operator, relative_error=0.1)
    assert result.converged
    assert result.standard_error <= 0.1 * result.value
    assert result.num_probes % 8 == 0
    with pytest.warns(UserWarning, match="larger `max_products`"):
        given_up = hessian_frobenius_norm(
            operator, relative_error=0.01, max_products=30
        )
    assert given_up.converged is False
    assert given_up.num_products == 30


def test_matrices_without_an_error():
    diagonal = np.r_[3.0, -1.0, np.linspace(0, 0.7, 30)]
    for truth in (diagonal, np.zeros(4)):
        result = hessian_frobenius_norm(
            aslinearoperator(np.diag(truth)), relative_error=0.01
        )
        # Rounding of a 32-term sum.
        assert abs(result.value - np.linalg.norm(truth)) < 1e-14
        assert result.standard_error < 1e-14
        assert result.converged


def test_same_seed_same_bits_and_round_trip(tmp_path):
    operator = spectra.known("decaying")
    first, second = (hessian_frobenius_norm(operator, seed=5) for _ in "ab")
    np.testing.assert_array_equal(first.samples, second.samples)
    first.save(tmp_path / "norm.json")
    loaded = Result.load(tmp_path / "norm.json")
    for field in dataclasses.fields(first):
        np.testing.assert_equal(
            getattr(loaded, field.name), getattr(first, field.name)
        )
