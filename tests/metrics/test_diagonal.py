"""Diagonals against dense matrices."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from keras_sharpness.metrics.diagonal import hessian_diagonal
from keras_sharpness.metrics.objective import Objective
from keras_sharpness.results import Result
from tests import oracle_networks
from tests.conftest import precision
from tests.metrics import spectra

METHODS = ("hutchinson", "hutch++")


def covered(operator, **options):
    runs = [
        hessian_diagonal(operator, seed=seed, **options) for seed in range(200)
    ]
    return spectra.coverage(
        [run.diagonal for run in runs],
        [run.standard_error for run in runs],
        np.diag(operator.matrix),
    )


def assert_honest(held):
    """95.45 % of each entry, with √(p (1 − p) / 200) = 1.5 % of scatter.

    The entries are hundreds: all of them together, and each by itself within
    four of those.
    """
    assert 0.94 <= np.mean(held) <= 0.97
    assert np.min(held) >= 0.90
    assert np.mean(held > 0.99) <= 0.05


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sorted(spectra.SPECTRA))
def test_standard_errors_are_honest(name, method):
    held = covered(spectra.known(name), method=method)
    assert_honest(held)


@pytest.mark.parametrize("method", METHODS)
def test_standard_errors_are_honest_after_a_search(method):
    held = covered(
        spectra.known("dominated"), method=method, relative_error=0.3
    )
    assert_honest(held)


def test_standard_errors_are_honest_on_a_network():
    with precision("float64"):
        model, data = oracle_networks.load("mlp_tanh")
        objective = Objective(model, data["x"], data["y"])
        matrix = objective.hessian_product(np.eye(objective.size))
    np.testing.assert_allclose(
        np.diag(matrix), data["hessian_diagonal"], rtol=1e-9, atol=1e-12
    )
    held = covered(spectra.Matrix(matrix))
    assert_honest(held)


def test_values_of_the_oracle(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    truth = data["hessian_diagonal"]
    for method in METHODS:
        result = hessian_diagonal(objective, method=method)
        apart = np.abs(result.diagonal - truth)
        # One of 500 entries beyond four errors of t with 31 degrees of freedom
        # has a probability of 17 %, one beyond five and a half one of 0.2 %.
        # 1e-9 for the rounding of products.
        limit = 5.5 * result.standard_error + 1e-9 * np.max(np.abs(truth))
        assert np.all(apart <= limit), method
    parts = result.by_variable
    assert list(parts) == list(objective.layout.paths)
    for path, rows in objective.layout.slices.items():
        np.testing.assert_array_equal(parts[path], result.diagonal[rows])


def test_the_error_is_that_of_the_samples():
    operator = spectra.known("both signs")
    result = hessian_diagonal(operator, num_probes=20)
    assert result.num_products == sum(operator.widths) == 20
    assert operator.widths == [8, 8, 4]
    whole = hessian_diagonal(operator, num_probes=4000)
    off = operator.matrix - np.diag(np.diag(operator.matrix))
    # Var vᵢ(Hv)ᵢ = Σⱼ≠ᵢ Hᵢⱼ²; a deviation from 4000 samples has an error of
    # 1 %, the largest of 100 one below 5 %.
    np.testing.assert_allclose(
        whole.standard_error,
        np.sqrt(np.sum(off**2, axis=1) / 4000),
        rtol=0.05,
    )


def test_a_search_adds_probes_until_the_error_is_small():
    operator = spectra.known("dominated")
    result = hessian_diagonal(operator, relative_error=0.2)
    assert result.converged
    assert result.num_probes % 8 == 0
    error = np.linalg.norm(result.standard_error)
    assert error <= 0.2 * np.linalg.norm(result.diagonal)
    again = hessian_diagonal(operator, num_probes=result.num_probes)
    # Blocks are the same, and so is every operation.
    np.testing.assert_array_equal(again.diagonal, result.diagonal)
    with pytest.warns(UserWarning, match="larger `max_products`"):
        given_up = hessian_diagonal(
            operator, relative_error=0.01, max_products=30
        )
    assert given_up.converged is False
    assert given_up.num_products == 30


def test_a_diagonal_matrix_has_no_error():
    diagonal = np.r_[3.0, -1.0, np.linspace(0, 0.7, 30)]
    result = hessian_diagonal(
        aslinearoperator(np.diag(diagonal)), relative_error=1e-15
    )
    # A mean of equal numbers, to one rounding.
    np.testing.assert_allclose(result.diagonal, diagonal, rtol=1e-15)
    np.testing.assert_allclose(result.standard_error, 0, rtol=0, atol=1e-15)
    assert result.converged
    assert result.num_products == 16
    assert result.by_variable == {}


def test_a_matrix_of_low_rank_has_no_error():
    matrix = spectra.symmetric(np.r_[7.0, -4.0, 2.0, np.zeros(37)])
    result = hessian_diagonal(
        aslinearoperator(matrix), method="hutch++", num_probes=8
    )
    # Rounding of 40-term sums, times the norm 7.
    np.testing.assert_allclose(result.diagonal, np.diag(matrix), atol=1e-13)
    np.testing.assert_allclose(result.standard_error, 0, atol=1e-13)


def test_same_seed_same_bits_and_round_trip(tmp_path):
    operator = spectra.known("decaying")
    first, second = (hessian_diagonal(operator, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.diagonal, second.diagonal)
    first.save(tmp_path / "diagonal.json")
    loaded = Result.load(tmp_path / "diagonal.json")
    for field in dataclasses.fields(first):
        np.testing.assert_equal(
            getattr(loaded, field.name), getattr(first, field.name)
        )
    np.testing.assert_equal(loaded.by_variable, first.by_variable)


def test_methods_are_those_that_keep_a_diagonal():
    with pytest.raises(ValueError, match="'hutchinson', 'hutch\\+\\+'"):
        hessian_diagonal(aslinearoperator(np.eye(4)), method="xtrace")
