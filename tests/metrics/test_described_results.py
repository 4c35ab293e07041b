"""Every result says of which matrix of which objective it is."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

import keras_sharpness as ks
from keras_sharpness.metrics.check import check
from keras_sharpness.metrics.diagonal import hessian_diagonal
from keras_sharpness.metrics.frobenius_norm import hessian_frobenius_norm
from keras_sharpness.metrics.operators import (
    EmpiricalFisherOperator,
    FisherOperator,
    GaussNewtonOperator,
    HessianOperator,
)
from keras_sharpness.metrics.sampling_error import sampling_error
from keras_sharpness.metrics.stored_products import StoredProducts
from keras_sharpness.results import Result

OPERATORS = {
    "hessian": HessianOperator,
    "gauss-newton": GaussNewtonOperator,
    "fisher": FisherOperator,
    "monte-carlo-fisher": lambda objective: FisherOperator(
        objective, method="monte-carlo", seed=3
    ),
    "empirical-fisher": EmpiricalFisherOperator,
}
NAMES = {"monte-carlo-fisher": "monte-carlo-fisher, num_samples=1, seed=3"}
MEASUREMENTS = {
    "eigenvalues": lambda o: ks.hessian_eigenvalues(o, k=1, tolerance=0.1),
    "power": lambda o: ks.hessian_eigenvalues(
        o, k=1, method="power", tolerance=0.1
    ),
    "trace": lambda o: ks.hessian_trace(o, num_probes=4),
    "diagonal": lambda o: hessian_diagonal(o, num_probes=4),
    "frobenius norm": lambda o: hessian_frobenius_norm(o, num_probes=4),
    "density": lambda o: ks.spectral_density(o, num_probes=2, num_steps=4),
    "check": lambda o: check(o, progress=False),
}


@pytest.fixture(scope="module")
def objective():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    rng = np.random.default_rng(0)
    return ks.Objective(
        model,
        rng.standard_normal((12, 3)),
        rng.integers(0, 2, 12),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )


@pytest.mark.parametrize("matrix", OPERATORS)
@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_of_an_operator(objective, matrix, measurement):
    result = MEASUREMENTS[measurement](OPERATORS[matrix](objective))
    assert result.matrix == NAMES.get(matrix, matrix)
    assert result.objective == objective.settings
    again = Result.from_dict(json.loads(json.dumps(result.to_dict())))
    assert again.matrix == result.matrix
    assert again.objective == result.objective


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_of_an_objective_it_is_the_hessian(objective, measurement):
    result = MEASUREMENTS[measurement](objective)
    assert result.matrix == "hessian"
    assert result.objective == objective.settings


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_another_operator_is_called_one(measurement):
    operator = aslinearoperator(np.diag(np.arange(1.0, 9.0)))
    result = MEASUREMENTS[measurement](operator)
    assert result.matrix == "operator"
    assert result.objective == {}


@pytest.mark.parametrize("operator", [HessianOperator, GaussNewtonOperator])
def test_blocks_are_not_called_like_the_whole(objective, operator):
    layer = objective.model.layers[0]
    matrices = [
        ks.hessian_trace(
            operator(objective, variables=variables), num_probes=2
        ).matrix
        for variables in (None, layer, layer.kernel, layer.bias)
    ]
    whole, every, kernel, bias = matrices
    assert kernel == f"{whole} of {layer.kernel.path}"
    assert bias == f"{whole} of {layer.bias.path}"
    # The block of all variables is the matrix itself.
    assert every == whole


def test_other_draws_are_called_otherwise(objective):
    names = {
        ks.hessian_trace(
            FisherOperator(objective, method="monte-carlo", **options),
            num_probes=2,
        ).matrix
        for options in ({}, {"seed": 1}, {"num_samples": 2})
    }
    assert len(names) == 3


def test_a_sampling_error_is_of_what_was_measured(objective):
    def error(measure):
        return sampling_error(objective, measure, num_replicates=2)

    found = error(lambda o: hessian_frobenius_norm(o, num_probes=2))
    assert found.matrix == "hessian"
    found = error(
        lambda o: ks.hessian_trace(GaussNewtonOperator(o), num_probes=2)
    )
    assert found.matrix == "gauss-newton"
    assert error(lambda o: o.value()).matrix is None
    values = found.to_dict()
    del values["matrix"]
    assert Result.from_dict(values).matrix is None


def test_what_is_made_of_operators_is_none_of_the_objectives(objective):
    hessian, fisher = HessianOperator(objective), FisherOperator(objective)
    for made in (2.0 * hessian, hessian + fisher):
        assert ks.hessian_trace(made, num_probes=2).matrix == "operator"


def test_products_in_a_folder_are_of_their_operator(objective, tmp_path):
    stored = StoredProducts(GaussNewtonOperator(objective), tmp_path / "new")
    result = ks.hessian_trace(stored, num_probes=2)
    assert result.matrix == "gauss-newton"
    assert result.objective == objective.settings


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_files_of_earlier_versions_do_not_say(objective, measurement):
    result = MEASUREMENTS[measurement](objective)
    values = result.to_dict()
    del values["matrix"]
    again = Result.from_dict(values)
    assert again.matrix is None
    assert again.objective == objective.settings
    assert {f.name for f in dataclasses.fields(again)} == {
        f.name for f in dataclasses.fields(result)
    }


@pytest.mark.parametrize("variables", [None, "dense"])
def test_products_variable_by_variable(objective, variables):
    name = objective.model.layers[0].name if variables else None
    operator = HessianOperator(objective, variables=name)
    vector = np.random.default_rng(0).standard_normal(operator.shape[0])
    tree = [
        vector[rows].reshape(shape)
        for rows, shape in zip(
            operator.slices.values(), [(3, 2), (2,)], strict=True
        )
    ]
    flat = np.concatenate([np.ravel(p) for p in operator.multiply(tree)])
    np.testing.assert_array_equal(flat, operator @ vector)
    with pytest.raises(ValueError, match="must have the shapes"):
        operator.multiply(tree[::-1])
