"""Traces against dense matrices: values, honest errors, stopping."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from keras_sharpness.metrics.objective import Objective
from keras_sharpness.metrics.trace import hessian_trace
from keras_sharpness.results import Result
from tests import oracle_networks
from tests.conftest import precision
from tests.metrics import spectra

METHODS = ("hutchinson", "hutch++", "xtrace")
SEEDS = range(200)


def estimates(result):
    """(values, errors) of the total, the variables and the layers."""
    values = (result.by_variable, result.by_layer)
    errors = (
        result.by_variable_standard_error,
        result.by_layer_standard_error,
    )
    return (
        np.r_[result.value, *(list(v.values()) for v in values)],
        np.r_[result.standard_error, *(list(e.values()) for e in errors)],
    )


def truth(operator):
    """The same of the dense matrix."""
    diagonal = np.diag(operator.matrix)
    layers = {}
    for path, rows in operator.slices.items():
        layers.setdefault(path.rsplit("/", 1)[0], []).append(
            np.sum(diagonal[rows])
        )
    return np.r_[
        np.sum(diagonal),
        [np.sum(diagonal[rows]) for rows in operator.slices.values()],
        [np.sum(parts) for parts in layers.values()],
    ]


def covered(operator, **options):
    runs = [
        estimates(hessian_trace(operator, seed=seed, **options))
        for seed in SEEDS
    ]
    return spectra.coverage(*zip(*runs, strict=True), truth(operator))


def assert_honest(held):
    """95.45 % but for skewed samples, and √(p (1 − p) / 200) = 1.5 %."""
    assert np.all(held >= 0.90)
    assert np.all(held <= 0.99)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sorted(spectra.SPECTRA))
def test_standard_errors_are_honest(name, method):
    held = covered(spectra.known(name), method=method)
    assert_honest(held)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sorted(spectra.SPECTRA))
def test_standard_errors_are_honest_after_a_search(name, method):
    options = {"relative_error": 0.1, "max_products": 400}
    if name == "both signs":
        # The trace is small against the eigenvalues.
        options["relative_error"] = 0.5
    held = covered(spectra.known(name), method=method, **options)
    assert_honest(held)


@pytest.mark.parametrize("num_probes", [2, 4, 8])
@pytest.mark.parametrize("name", ["decaying", "dominated", "both signs"])
def test_few_probes_know_how_little_they_know(name, num_probes):
    """By the deviation of the samples alone, 84 to 92 % on the first two."""
    held = covered(spectra.known(name), num_probes=num_probes)
    # The trace and the four variables and two layers: 95.45 % of 200, less
    # three deviations of 1.5 % and, but for the trace, as many again for
    # variances that are known within a factor of two only.
    assert held[0] >= 0.91
    assert np.all(held >= 0.865)


def test_the_error_of_two_probes_by_hand():
    """Entries 1 ± 1 of v ∘ (Av), A all ones of two rows: sums 4 and 0."""
    operator = spectra.Matrix(np.ones((2, 2)))
    for seed in range(20):
        found = hessian_trace(operator, num_probes=2, seed=seed)
        # The entries of unlike samples, 2 and 0, have the variance 2 each,
        # twice their sum is 8; the quantile is that of two degrees of freedom,
        # z √(2 / (1 - z²)) with z the share 0.9545 that two deviations hold.
        held = 0.9544997361036416
        quantile = held * np.sqrt(2 / (1 - held**2))
        unlike = found.samples[0] != found.samples[1]
        expected = quantile / 2 * np.sqrt(8 / 2) if unlike else 0.0
        assert abs(found.standard_error - expected) < 1e-9


@pytest.fixture(scope="module")
def network():
    """A trained network's Hessian, dense; its traces, from the oracle."""
    with precision("float64"):
        model, data = oracle_networks.load("mlp_tanh")
        objective = Objective(model, data["x"], data["y"])
        matrix = objective.hessian_product(np.eye(objective.size))
    return spectra.Matrix(matrix, objective.layout.slices), data


@pytest.mark.parametrize("method", METHODS)
def test_standard_errors_are_honest_on_a_network(network, method):
    operator, data = network
    np.testing.assert_allclose(
        truth(operator)[:7],
        np.r_[data["trace"], data["trace_per_variable"]],
        rtol=1e-9,
    )
    held = covered(operator, method=method)
    assert_honest(held)


def test_values_of_the_oracle(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    expected = np.r_[data["trace"], data["trace_per_variable"]]
    for method in METHODS:
        result = hessian_trace(objective, method=method)
        values, errors = estimates(result)
        apart = np.abs(values[: len(expected)] - expected)
        # Four standard errors; 1e-9 of the trace for the rounding of products,
        # which is all there is for Hutchinson on a diagonal Hessian.
        limit = 4 * errors[: len(expected)] + 1e-9 * data["trace"]
        assert np.all(apart <= limit), method
        assert list(result.by_variable) == list(objective.layout.paths)


def test_few_products_reach_five_percent(float64):
    model, data = oracle_networks.load("cnn")
    objective = Objective(model, data["x"], data["y"])
    spent = {
        method: hessian_trace(objective, method=method, relative_error=0.05)
        for method in METHODS
    }
    for result in spent.values():
        assert result.converged
        assert result.standard_error <= 0.05 * result.value
        assert abs(result.value - data["trace"]) <= 4 * result.standard_error
    # Two eigenvalues make a third of the trace: 2 (‖H‖_F / 0.05 tr)² = 71
    # probes for Hutchinson. XTrace takes the two out.
    assert 48 <= spent["hutchinson"].num_products <= 112
    assert spent["xtrace"].num_products <= 32


@pytest.mark.parametrize(
    ("method", "products"),
    [("hutchinson", 20), ("hutch++", 60), ("xtrace", 40)],
)
def test_products_are_counted_and_come_in_blocks(method, products):
    operator = spectra.known("both signs")
    seen = []
    result = hessian_trace(
        operator,
        method=method,
        num_probes=20,
        progress=lambda *step: seen.append(step),
    )
    assert result.num_products == sum(operator.widths) == products
    assert max(operator.widths) == 8
    assert len(operator.widths) == products // 20 * 3
    assert seen[-1] == (products, products)
    assert result.num_probes == len(result.samples) == 20
    assert result.converged is None
    assert 0 < result.product_seconds <= result.seconds


@pytest.mark.parametrize("method", METHODS)
def test_variables_and_layers_sum_to_the_total(method):
    result = hessian_trace(spectra.known("decaying"), method=method)
    # Rounding of sums of numbers below 2.
    for parts in (result.by_variable, result.by_layer):
        assert abs(sum(parts.values()) - result.value) < 1e-12
    assert abs(np.mean(result.samples) - result.value) < 1e-12
    kernel, bias = result.by_variable["last/kernel"], "last/bias"
    both = kernel + result.by_variable[bias]
    assert abs(result.by_layer["last"] - both) < 1e-12


def test_more_probes_extend_the_sequence():
    operator = spectra.known("both signs")
    few, more = (hessian_trace(operator, num_probes=n) for n in (12, 40))
    # The order of summation may depend on the width of a block.
    np.testing.assert_allclose(more.samples[:12], few.samples, rtol=1e-12)
    other = hessian_trace(operator, num_probes=12, seed=1)
    assert not np.any(np.isclose(other.samples, few.samples))


@pytest.mark.parametrize("method", ["hutchinson", "xtrace"])
def test_a_search_ends_where_the_same_number_of_probes_would(method):
    operator = spectra.known("both signs")
    found = hessian_trace(operator, method=method, relative_error=0.5)
    again = hessian_trace(operator, method=method, num_probes=found.num_probes)
    assert found.num_probes % 8 == 0
    # The rounding of the leave-one-out algebra, and blocks of other widths.
    np.testing.assert_allclose(found.samples, again.samples, rtol=1e-9)
    np.testing.assert_allclose(
        found.standard_error, again.standard_error, rtol=1e-9
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_negative_trace_is_searched_for_as_a_positive_one(method):
    eigenvalues = spectra.SPECTRA["decaying"]
    up, down = (
        hessian_trace(
            aslinearoperator(spectra.symmetric(sign * eigenvalues)),
            method=method,
            relative_error=0.1,
        )
        for sign in (1.0, -1.0)
    )
    assert down.converged
    assert down.num_products == up.num_products > 8
    # All operations but the sign are the same.
    np.testing.assert_allclose(down.samples, -up.samples, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_trace_of_zero_does_not_end_the_search(method):
    # Ten pairs ±λ: trace 0, which no number of probes knows to 5 %.
    sizes = np.linspace(1.0, 2.0, 80)
    operator = aslinearoperator(spectra.symmetric(np.r_[sizes, -sizes]))
    with pytest.warns(UserWarning, match="larger `max_products`"):
        result = hessian_trace(
            operator, method=method, relative_error=0.05, max_products=96
        )
    assert result.converged is False
    assert result.num_products == 96
    assert abs(result.value) <= 4 * result.standard_error
    assert result.standard_error > 0.05 * abs(result.value)


def test_a_diagonal_matrix_has_no_error():
    diagonal = np.r_[3.0, -1.0, np.linspace(0, 0.7, 30)]
    for shift in (0.0, np.mean(diagonal)):
        operator = spectra.Matrix(
            np.diag(diagonal - shift), {"a/b": slice(0, 2)}
        )
        result = hessian_trace(operator, relative_error=0.05)
        # Rounding only, also where the trace is 0.
        assert result.converged
        assert result.num_products == 16
        assert abs(result.value - np.sum(diagonal - shift)) < 1e-13
        assert result.standard_error < 1e-13
        assert abs(result.by_variable["a/b"] - 2 + 2 * shift) < 1e-13


@pytest.mark.parametrize("method", ["hutch++", "xtrace"])
def test_a_matrix_of_low_rank_has_no_error(method):
    eigenvalues = np.r_[7.0, -4.0, 2.0, np.zeros(97)]
    operator = spectra.Matrix(spectra.symmetric(eigenvalues), spectra.SLICES)
    result = hessian_trace(operator, method=method, num_probes=8)
    # Rounding of 100-term sums, times the norm 7.
    np.testing.assert_allclose(
        estimates(result)[0], truth(operator), atol=1e-12
    )
    np.testing.assert_allclose(estimates(result)[1], 0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_fewer_rows_than_probes(size, method):
    matrix = spectra.symmetric(np.arange(1.0, size + 1))
    result = hessian_trace(aslinearoperator(matrix), method=method)
    apart = abs(result.value - np.trace(matrix))
    # Rounding of 5-term sums; exact once the range is everything.
    assert apart <= 4 * result.standard_error + 1e-13
    if method != "hutchinson":
        assert apart < 1e-13
    assert result.by_variable == result.by_layer == {}


@pytest.mark.parametrize("method", METHODS)
def test_the_zero_matrix(method):
    operator = aslinearoperator(np.zeros((30, 30)))
    result = hessian_trace(operator, method=method, relative_error=0.05)
    assert result.value == result.standard_error == 0.0
    assert result.converged


def test_at_another_point(float64):
    model, data = oracle_networks.load("mlp_tanh")
    objective = Objective(model, data["x"], data["y"])
    there = hessian_trace(
        objective, w=oracle_networks.flat(data, "u"), method="xtrace"
    )
    assert abs(there.value - data["trace"]) > 4 * there.standard_error
    assert there.objective == objective.settings


def test_frame_has_a_row_for_each_variable():
    result = hessian_trace(spectra.known("flat"))
    frame = result.to_frame()
    assert list(frame.columns) == [
        "variable", "layer", "trace", "standard_error"
    ]  # fmt: skip
    assert list(frame.variable) == list(spectra.SLICES)
    assert list(frame.layer) == ["first", "first", "last", "last"]
    assert dict(zip(frame.variable, frame.trace, strict=True)) == (
        result.by_variable
    )
    assert list(frame.standard_error) == list(
        result.by_variable_standard_error.values()
    )


def test_same_seed_same_bits_and_round_trip(tmp_path):
    operator = spectra.known("decaying")
    first, second = (
        hessian_trace(operator, method="xtrace", seed=5) for _ in range(2)
    )
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.by_variable == second.by_variable
    first.save(tmp_path / "trace.json")
    loaded = Result.load(tmp_path / "trace.json")
    for field in dataclasses.fields(first):
        np.testing.assert_equal(
            getattr(loaded, field.name), getattr(first, field.name)
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "exact"}, "'hutchinson', 'hutch\\+\\+', 'xtrace'"),
        ({"relative_error": np.nan}, "`relative_error` must be a positive"),
        (
            {"relative_error": 0.1, "max_products": 47, "method": "hutch++"},
            "at least 48",
        ),
        (
            {"relative_error": 0.1, "num_probes": 9, "max_products": 8},
            "The first 9 probes",
        ),
    ],
)
def test_bad_options_name_the_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        hessian_trace(aslinearoperator(np.eye(4)), **options)


def test_products_that_are_not_finite_are_an_error():
    operator = aslinearoperator(np.diag([1.0, np.inf, 1.0]))
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        hessian_trace(operator)
