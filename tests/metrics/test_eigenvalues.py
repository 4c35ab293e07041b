"""Eigenvalues against dense spectra and matrices of known spectrum."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator, eigsh

from keras_sharpness.metrics import Objective, hessian_eigenvalues
from keras_sharpness.metrics.operators import HessianOperator
from keras_sharpness.results import Result


def symmetric(eigenvalues, seed=0):
    """A dense symmetric matrix with the given eigenvalues."""
    size = len(eigenvalues)
    q, _ = np.linalg.qr(
        np.random.default_rng(seed).standard_normal((size, size))
    )
    return (q * eigenvalues) @ q.T


def test_both_ends_of_the_oracle_spectra(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    result = hessian_eigenvalues(
        objective, k=2, which="both", tolerance=1e-7, max_products=400
    )
    truth = data["eigenvalues"]
    expected = np.r_[truth[::-1][:2], truth[:2][::-1]]
    # Products are good to 1e-9 of the norm; an eigenvalue is good to the
    # square of its residual over the gap, far below.
    np.testing.assert_allclose(
        result.eigenvalues, expected, rtol=1e-6, atol=1e-8 * truth[-1]
    )
    assert np.all(result.converged)


def test_top_eigenvalues_of_the_oracle(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    result = hessian_eigenvalues(objective, k=5, tolerance=1e-6)
    np.testing.assert_allclose(
        result.eigenvalues, data["eigenvalues"][::-1][:5], rtol=1e-6
    )


def test_residuals_are_the_true_ones():
    spectrum = np.r_[10.0, 9.0, np.linspace(-3, 3, 198)]
    matrix = symmetric(spectrum)
    for method in ("lanczos", "power"):
        result = hessian_eigenvalues(
            aslinearoperator(matrix), k=2, method=method, eigenvectors=True
        )
        u = result.eigenvectors
        true = np.linalg.norm(matrix @ u - u * result.eigenvalues, axis=0)
        # Rounding of 200-term sums, times the norm 10.
        np.testing.assert_allclose(result.residuals, true, atol=1e-11)
        np.testing.assert_allclose(np.linalg.norm(u, axis=0), 1, rtol=1e-12)


def test_residual_bounds_the_error():
    spectrum = np.r_[np.geomspace(1e-4, 50, 150), -np.geomspace(1e-4, 5, 50)]
    matrix = symmetric(spectrum)
    for tolerance in (1e-1, 1e-3):
        result = hessian_eigenvalues(
            aslinearoperator(matrix), k=3, which="both", tolerance=tolerance
        )
        for value, residual in zip(
            result.eigenvalues, result.residuals, strict=True
        ):
            # Weyl's bound, and 1e-13 for rounding.
            assert np.min(np.abs(spectrum - value)) <= residual + 1e-13
    assert np.all(result.converged)


def test_multiple_eigenvalues_and_invariant_subspaces():
    # From one vector the Krylov space of this matrix has three dimensions.
    matrix = symmetric(np.repeat([2.0, 1.0, -1.0], [3, 4, 5]))
    for k in (1, 3, 5, 12):
        result = hessian_eigenvalues(
            aslinearoperator(matrix), k=k, tolerance=1e-9
        )
        # Rounding of 12-term sums.
        np.testing.assert_allclose(
            result.eigenvalues,
            np.repeat([2.0, 1.0, -1.0], [3, 4, 5])[:k],
            rtol=1e-12,
        )
    zero = hessian_eigenvalues(aslinearoperator(np.zeros((6, 6))), k=6)
    np.testing.assert_array_equal(zero.eigenvalues, np.zeros(6))
    assert np.all(zero.converged)


@pytest.mark.parametrize("which", ["largest", "smallest", "both"])
def test_warm_start_needs_few_products(which):
    spectrum = np.r_[-9.0, -7.0, np.linspace(-3, 3, 296), 8.0, 10.0]
    matrix = symmetric(spectrum)
    # A small step of training: the eigenvectors turn by about 1e-3 / 2.
    moved = matrix + 1e-3 * symmetric(np.linspace(-1, 1, 300), seed=1)
    options = {"k": 2, "which": which, "tolerance": 1e-4, "eigenvectors": True}
    before = hessian_eigenvalues(aslinearoperator(matrix), **options)
    operator = aslinearoperator(moved)
    cold = hessian_eigenvalues(operator, **options)
    # Neither the lengths nor the basis of the span matter.
    mixed = (
        before.eigenvectors
        @ np.triu(np.full((4, 4), 7.0))[
            : before.eigenvectors.shape[1], : before.eigenvectors.shape[1]
        ]
    )
    for start in (before.eigenvectors, mixed.astype("float32")):
        warm = hessian_eigenvalues(
            operator, initial_vectors=start, miss_probability=None, **options
        )
        assert np.all(warm.converged)
        assert warm.num_products <= cold.num_products / 2
        assert warm.miss_probability is None
        assert warm.num_initial_vectors == len(warm.eigenvalues)
        # Each is good to the square of its residual over the gap, 1: 1e-6.
        np.testing.assert_allclose(
            warm.eigenvalues, cold.eigenvalues, rtol=2e-6
        )


def test_warm_start_from_the_eigenvectors_of_an_objective(oracle):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    first = hessian_eigenvalues(objective, k=3, eigenvectors=True)
    again = hessian_eigenvalues(
        objective,
        k=3,
        initial_vectors=first.eigenvectors,
        miss_probability=None,
    )
    assert again.num_products <= first.num_products
    # Both have relative residuals below 1e-3.
    np.testing.assert_allclose(again.eigenvalues, first.eigenvalues, rtol=2e-3)


@pytest.mark.parametrize("method", ["lanczos", "power"])
def test_poor_starts_are_made_good(method):
    matrix = np.diag([9.0, 7.0, 5.0, 1.0, 0.5])
    first, second = np.eye(5)[:, :1], np.eye(5)[:, 1:2]
    for start in (
        np.hstack([first, first]),  # one vector
        np.hstack([second, second + 1e-12 * first]),
        first + second,  # fewer than wanted
    ):
        result = hessian_eigenvalues(
            aslinearoperator(matrix),
            k=2,
            method=method,
            tolerance=1e-12,
            initial_vectors=start,
        )
        # Power iteration stops when an eigenvalue changes by 1e-12 of it.
        np.testing.assert_allclose(result.eigenvalues, [9, 7], rtol=1e-10)


def test_eigenvectors_of_others_do_not_hide_the_largest():
    matrix = np.diag(np.r_[9.0, 7.0, np.linspace(1, 5, 98)])
    result = hessian_eigenvalues(
        aslinearoperator(matrix), k=2, initial_vectors=np.eye(100)[:, 5:7]
    )
    # The square of the residual, 1e-3 of it, over the gap.
    np.testing.assert_allclose(result.eigenvalues, [9, 7], rtol=1e-4)


def test_not_converged_is_marked_with_a_warning():
    matrix = symmetric(np.linspace(1, 2, 300))
    with pytest.warns(UserWarning, match="larger `max_products`"):
        result = hessian_eigenvalues(
            aslinearoperator(matrix), k=2, tolerance=1e-8, max_products=5
        )
    assert not np.any(result.converged)
    assert result.num_products == 5


def test_scipy_accepts_the_operator(oracle):
    model, data = oracle
    operator = HessianOperator(Objective(model, data["x"], data["y"]))
    top = eigsh(operator, k=1, which="LA", return_eigenvectors=False)
    np.testing.assert_allclose(top, data["eigenvalues"][-1:], rtol=1e-8)
    np.testing.assert_allclose(
        operator @ data["v"].T, data["hvp"].T, rtol=0, atol=1e-8
    )


def test_operator_stays_at_its_point(oracle):
    model, data = oracle
    operator = HessianOperator(Objective(model, data["x"], data["y"]))
    before = operator @ data["v"][0]
    model.trainable_variables[0].assign_add(
        np.ones(model.trainable_variables[0].shape)
    )
    np.testing.assert_array_equal(operator @ data["v"][0], before)


def test_same_seed_same_bits_and_round_trip(oracle, tmp_path):
    model, data = oracle
    objective = Objective(model, data["x"], data["y"])
    first, second = (hessian_eigenvalues(objective, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.eigenvalues, second.eigenvalues)
    first.save(tmp_path / "top.json")
    loaded = Result.load(tmp_path / "top.json")
    for field in dataclasses.fields(first):
        np.testing.assert_equal(
            getattr(loaded, field.name), getattr(first, field.name)
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "`k` must be an integer from 1 to 4"),
        ({"k": 5}, "`k` must be an integer from 1 to 4"),
        ({"k": 3, "which": "both"}, "from 1 to 2"),
        ({"which": "top"}, "'largest', 'smallest', 'both'"),
        ({"method": "qr"}, "'lanczos', 'power'"),
        ({"method": "power", "which": "smallest"}, "largest magnitude"),
        ({"tolerance": 0.0}, "`tolerance` must be a positive"),
        (
            {"max_products": 0},
            "`max_products` must be an integer of at least 1",
        ),
        ({"which": "both", "max_products": 1}, "There are 2 eigenvalues"),
        ({"block_size": 0}, "from 1 to 8. Received: block_size=0"),
        ({"block_size": 9}, "from 1 to 8"),
        ({"method": "power", "block_size": 2}, "one vector at a time"),
        ({"method": "power", "basis_dtype": "float32"}, "keeps no basis"),
        ({"basis_dtype": "float16"}, "Received: basis_dtype='float16'"),
        ({"miss_probability": 0.0}, "`miss_probability` must be"),
        ({"miss_probability": 1.5}, "Received: miss_probability=1.5"),
        ({"initial_vectors": np.ones(4)}, r"shape \(4, m\)"),
        ({"initial_vectors": np.ones((3, 1))}, r"Received: shape \(3, 1\)"),
        ({"initial_vectors": np.ones((4, 0))}, r"Received: shape \(4, 0\)"),
        ({"initial_vectors": np.full((4, 1), np.inf)}, "column 0 with norm"),
        ({"initial_vectors": np.zeros((4, 1))}, "not zero"),
    ],
)
def test_bad_options_name_the_remedy(options, message):
    with pytest.raises(ValueError, match=message):
        hessian_eigenvalues(aslinearoperator(np.eye(4)), **options)


def test_products_that_are_not_finite_are_an_error():
    operator = aslinearoperator(np.diag([1.0, np.inf, 1.0]))
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        hessian_eigenvalues(operator)
