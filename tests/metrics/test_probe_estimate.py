"""How many probes are taken, counted by hand, and what is said of them."""

import inspect
import math

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator

from keras_sharpness.metrics.diagonal import hessian_diagonal
from keras_sharpness.metrics.frobenius_norm import hessian_frobenius_norm
from keras_sharpness.metrics.probe_estimate import Plan
from keras_sharpness.metrics.trace import hessian_trace
from tests.metrics import spectra

ESTIMATES = {
    "trace": hessian_trace,
    "diagonal": hessian_diagonal,
    "norm": hessian_frobenius_norm,
}


def plan(**options):
    given = {"num_probes": None, "relative_error": None, "max_products": None}
    return Plan.check(**(given | options))


def blocks(plan, enough=math.inf):
    """The sizes of blocks that a plan takes, and what it says in the end."""
    taken = []
    said = plan.run(taken.append, lambda: sum(taken) >= enough)
    return taken, said


def test_probes_come_in_blocks_of_eight():
    assert blocks(plan()) == ([8, 8, 8, 8], None)
    assert blocks(plan(num_probes=13)) == ([8, 5], None)


def test_the_error_is_looked_at_after_the_least_probes():
    # 16 before the first look, then a block at a time.
    search = plan(relative_error=0.1)
    assert blocks(search, enough=1) == ([8, 8], True)
    assert blocks(search, enough=17) == ([8, 8, 8], True)
    assert blocks(plan(relative_error=0.1, least=8), enough=1) == ([8], True)


def test_the_budget_is_kept():
    # 40 products: 40 probes, or 20 at two products each, or 12 sketched at
    # two products each and the rest.
    search = plan(relative_error=0.1, max_products=40)
    assert blocks(search) == ([8] * 5, False)
    search = plan(relative_error=0.1, max_products=40, cost=2)
    assert (sum(blocks(search)[0]), search.num_products) == (20, 40)
    search = plan(
        relative_error=0.1, num_probes=12, max_products=40, sketch=True
    )
    assert (search.sketch_size, sum(blocks(search)[0])) == (12, 16)


def test_a_budget_that_is_not_given_holds_what_the_least_probes_cost():
    assert plan(relative_error=0.1).max_products == 1000
    assert plan(relative_error=0.1, num_probes=1500).max_products == 1500
    with pytest.raises(ValueError, match="The first 16 probes cost 48"):
        plan(relative_error=0.1, max_products=47, sketch=True)


@pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=ESTIMATES)
def test_every_estimate_counts_its_cost(estimate):
    operator = spectra.known("both signs")
    steps = []
    result = estimate(
        operator,
        num_probes=12,
        seed=5,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert sum(operator.widths) == result.num_products == result.num_probes
    assert steps[-1] == (12, 12)
    assert (result.seed, result.converged, result.relative_error) == (
        5,
        None,
        None,
    )
    assert 0 <= result.product_seconds <= result.seconds


@pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=ESTIMATES)
def test_what_is_missed_is_said_where_it_was_asked_for(estimate):
    with pytest.warns(UserWarning, match="above relative_error=0.001") as said:
        result = estimate(
            spectra.known("both signs"), relative_error=1e-3, max_products=17
        )
    assert said[0].filename == __file__
    assert str(said[0].message).startswith(result.error_text())
    assert (result.num_products, result.converged) == (17, False)


@pytest.mark.parametrize("estimate", ESTIMATES.values(), ids=ESTIMATES)
def test_options_are_those_of_all(estimate):
    shared = inspect.signature(hessian_frobenius_norm).parameters
    own = inspect.signature(estimate).parameters
    assert [name for name in own if name != "method"] == list(shared)
    operator = aslinearoperator(np.eye(4))
    for options, message in (
        ({"num_probes": 1}, "`num_probes` must be an integer of at least 2"),
        ({"relative_error": 0.0}, "`relative_error` must be a positive"),
        ({"max_products": 50}, "Pass `relative_error=0.05`"),
    ):
        with pytest.raises(ValueError, match=message):
            estimate(operator, **options)


def test_what_was_found_is_printed_first():
    result = hessian_frobenius_norm(aslinearoperator(np.eye(4)), num_probes=2)
    assert repr(result).startswith("FrobeniusNorm(value=2.0, standard_error=")
    assert repr(result).endswith("objective={}, matrix='operator')")
