"""What a search calls converged is right: misses, copies, size, rounding."""

import keras
import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

from keras_sharpness.metrics import Objective, hessian_eigenvalues
from keras_sharpness.metrics.numerics.basis import HostBasis
from keras_sharpness.metrics.numerics.lanczos import Lanczos
from keras_sharpness.metrics.numerics.missed_eigenvalues import (
    missed_eigenvalues,
)


class Diagonal(LinearOperator):
    """A diagonal matrix; eigenvectors hardly matter to random starts."""

    def __init__(self, entries):
        super().__init__(np.float64, (len(entries), len(entries)))
        self.entries = np.asarray(entries)

    def _matmat(self, block):
        return self.entries[:, None] * block


def ends(spectrum, k, which):
    ordered = np.sort(spectrum)[::-1]
    return {
        "largest": ordered[:k],
        "smallest": ordered[-k:],
        "both": np.r_[ordered[:k], ordered[-k:]],
    }[which]


BULK = np.linspace(-0.2, 0.5, 300)
SPECTRA = {
    "block of a transformer": np.r_[
        3.89, 3.29, 2.83, 2.5, 2.2, 1.9, np.linspace(-0.3, 0.9, 300) ** 3
    ],
    "far from the bulk": np.r_[4.0, 3.3, 2.8, 2.5, BULK],
    "just beyond the tolerance": np.r_[1.06, 1.0, BULK],
}


@pytest.mark.parametrize("seed", range(4))
def test_a_neighbour_is_no_copy(seed):
    """Two that differ by a little more than the tolerance do not hold it up.

    Random starts for two copies tell whether the first has another one; taken
    for a copy of it, the second would ask for a third start, in vain.
    """
    operator = Diagonal(np.r_[1.0, 0.951, BULK])
    found = hessian_eigenvalues(operator, k=2, tolerance=0.05, seed=seed)
    assert np.all(found.converged)
    np.testing.assert_allclose(found.eigenvalues, [1.0, 0.951], rtol=0.05)
    # Of at most 100, with which it ends where it cannot be sure.
    assert found.num_products < 60


@pytest.mark.parametrize("name", SPECTRA)
def test_a_loose_tolerance_finds_the_largest(name):
    """At most one search in a thousand stops at another eigenvalue."""
    operator = Diagonal(SPECTRA[name])
    largest = np.max(SPECTRA[name])
    missed = 0
    for seed in range(120):
        found = hessian_eigenvalues(operator, tolerance=0.05, seed=seed)
        assert found.converged[0]
        missed += found.eigenvalues[0] < largest / 1.05
    # 120 searches that miss with a chance of 1e-3 miss 3 times with one of
    # 2.6e-4, by Poisson's distribution. By the residual alone 4 % to 10 % of
    # the searches miss.
    assert missed < 3


def test_the_check_costs_a_few_products():
    operator = Diagonal(SPECTRA["block of a transformer"])
    checked, unchecked = (
        [
            hessian_eigenvalues(
                operator, tolerance=0.05, seed=seed, miss_probability=chance
            )
            for seed in range(20)
        ]
        for chance in (1e-3, None)
    )
    for one, other in zip(checked, unchecked, strict=True):
        # The same steps, of which the residual is satisfied with the first.
        assert one.num_products - one.num_checking_products == (
            other.num_products
        )
        assert other.num_checking_products == 0
        # A hidden eigenvalue 5 % above the others grows fourfold a step: the
        # factor of 1e3 takes 5 of them, and twice that where unlucky.
        assert one.num_checking_products <= 10


def test_a_given_vector_does_not_hide_the_largest():
    """The second eigenvector, to well within the tolerance."""
    spectrum = np.r_[3.89, 3.29, BULK]
    start = 1e-4 * np.random.default_rng(0).standard_normal((len(spectrum), 1))
    start[1] = 1.0
    found = hessian_eigenvalues(
        Diagonal(spectrum), tolerance=0.05, initial_vectors=start
    )
    # The square of the residual, 0.05, over the relative gap, 0.15.
    np.testing.assert_allclose(found.eigenvalues, 3.89, rtol=0.017)


def test_not_enough_products_to_be_sure():
    operator = Diagonal(np.linspace(-1, 1, 2000))
    with pytest.warns(UserWarning, match="one that was missed"):
        found = hessian_eigenvalues(operator, tolerance=0.05, max_products=15)
    assert not found.converged[0]
    assert found.residuals[0] < 0.05


@pytest.mark.parametrize(
    ("k", "which"),
    [
        (1, "largest"),
        (3, "largest"),
        (12, "largest"),
        (1, "smallest"),
        (4, "smallest"),
        (3, "both"),
    ],
)
@pytest.mark.parametrize("copies", [2, 3, 10])
def test_eigenvalues_come_with_all_their_copies(copies, k, which):
    spectrum = np.r_[
        np.repeat([10.0, 6.0, 5.0, -4.0, -7.0, -40.0], copies),
        np.linspace(-2, 2, 100),
    ]
    found = hessian_eigenvalues(
        Diagonal(spectrum), k=k, which=which, max_products=2000
    )
    assert np.all(found.converged)
    # Off by the tolerance, relative to the largest at the lower end.
    allowed = 1e-3 * (10 if which == "largest" else 40)
    np.testing.assert_allclose(
        found.eigenvalues, ends(spectrum, k, which), rtol=0, atol=allowed
    )


def test_clusters_count_as_copies():
    spectrum = np.r_[5 + 1e-6 * np.arange(5), 4.0, np.linspace(-1, 2, 300)]
    found = hessian_eigenvalues(Diagonal(spectrum), k=6)
    np.testing.assert_allclose(
        found.eigenvalues, ends(spectrum, 6, "largest"), rtol=1e-3
    )
    assert np.all(found.converged)


@pytest.mark.parametrize(
    ("outputs", "k"), [(2, 2), (2, 6), (3, 3), (10, 6), (10, 13)]
)
def test_a_mean_squared_error_has_a_copy_for_each_output(outputs, k):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 7)) * np.geomspace(3, 0.3, 7)
    model = keras.Sequential(
        [keras.Input((7,)), keras.layers.Dense(outputs, use_bias=False)]
    )
    objective = Objective(
        model,
        x.astype("float32"),
        rng.standard_normal((60, outputs)).astype("float32"),
        loss="mse",
    )
    x = x.astype("float32").astype("float64")
    single = np.linalg.eigvalsh(2 / (outputs * 60) * x.T @ x)
    found = hessian_eigenvalues(objective, k=k)
    assert np.all(found.converged)
    np.testing.assert_allclose(
        found.eigenvalues,
        ends(np.repeat(single, outputs), k, "largest"),
        # The tolerance.
        rtol=1e-3,
    )


@pytest.mark.parametrize("exponent", [-250, -30, 30, 300])
@pytest.mark.parametrize("basis_dtype", ["float64", "float32"])
@pytest.mark.parametrize("which", ["largest", "smallest", "both"])
def test_the_size_of_a_matrix_does_not_matter(exponent, basis_dtype, which):
    """Powers of two: the same bits, in other units."""
    spectrum = np.r_[5.0, 4.0, 4.0, BULK, -3.0]
    unit = 2.0 ** round(exponent / np.log10(2))
    here, there = (
        hessian_eigenvalues(
            Diagonal(spectrum * scale),
            k=3,
            which=which,
            basis_dtype=basis_dtype,
        )
        for scale in (1.0, unit)
    )
    np.testing.assert_array_equal(there.eigenvalues / unit, here.eigenvalues)
    np.testing.assert_array_equal(there.residuals / unit, here.residuals)
    np.testing.assert_array_equal(there.converged, here.converged)


@pytest.mark.parametrize("scale", [1e-17, 1e-13, 1e-6, 1e6, 1e15])
def test_small_and_large_inputs_of_a_float32_network(scale):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 6)) * np.arange(1, 7) * scale
    x = x.astype("float32")
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(1, use_bias=False)]
    )
    # Off the origin the loss of large inputs is beyond float32.
    model.layers[-1].kernel.assign(np.zeros((6, 1)))
    objective = Objective(model, x, np.ones((50, 1), "float32"), loss="mse")
    x = x.astype("float64")
    true = np.linalg.eigvalsh(2 / 50 * x.T @ x)[::-1]
    found = hessian_eigenvalues(objective, k=2)
    assert np.all(found.converged)
    # Sums of 50 float32 products, and residuals that are squared.
    np.testing.assert_allclose(found.eigenvalues, true[:2], rtol=1e-5)


@pytest.mark.parametrize(
    "spectrum",
    [np.zeros(9), np.ones(9), [3.0], [0.0], [-2.0], np.r_[7.0, np.zeros(8)]],
    ids=["zero", "identity", "one", "one zero", "one negative", "rank one"],
)
@pytest.mark.parametrize("which", ["largest", "smallest"])
def test_matrices_of_few_values(spectrum, which):
    for k in range(1, len(spectrum) + 1):
        found = hessian_eigenvalues(Diagonal(spectrum), k=k, which=which)
        # Rounding of sums of 9 terms, times the norm.
        np.testing.assert_allclose(
            found.eigenvalues, ends(spectrum, k, which), rtol=0, atol=1e-13
        )
        assert np.all(found.converged)
        error = np.abs(found.eigenvalues - ends(spectrum, k, which))
        assert np.all(error <= found.residuals)


def test_one_weight_has_no_two_ends():
    with pytest.raises(ValueError, match="at least two weights"):
        hessian_eigenvalues(Diagonal([3.0]), which="both")


def test_the_smallest_is_relative_to_the_largest():
    """As at a trained point: large outliers, the smallest close to zero."""
    spectrum = np.r_[38, 33, 26, 12, 7, np.geomspace(1e-6, 4, 300), -0.02]
    found = hessian_eigenvalues(Diagonal(spectrum), which="smallest")
    assert found.converged[0]
    np.testing.assert_allclose(found.eigenvalues, -0.02, rtol=0, atol=0.038)
    assert found.residuals[0] <= 1e-3 * 38 * (1 + 1e-12)


@pytest.mark.parametrize("basis_dtype", ["float64", "float32"])
@pytest.mark.parametrize("product_dtype", ["float64", "float32", "float16"])
def test_residuals_hold_the_errors_of_rounding(basis_dtype, product_dtype):
    """Eigenvalues that fall to 1e-9 of the largest, all of them wanted."""
    size = 40
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))
    spectrum = np.geomspace(1, 1e-9, size)
    factor = (q * np.sqrt(spectrum)).T

    class Rounded(LinearOperator):
        def __init__(self):
            super().__init__(np.dtype(product_dtype), (size, size))

        def _matmat(self, block):
            product = factor.T @ (factor @ block)
            scale = np.max(np.abs(product))
            return scale * (product / scale).astype(product_dtype).astype(float)

    found = hessian_eigenvalues(
        Rounded(), k=30, basis_dtype=basis_dtype, max_products=5000
    )
    error = np.abs(found.eigenvalues - spectrum[:30])
    assert np.all(error[found.converged] <= found.residuals[found.converged])
    assert np.all(found.converged)


@pytest.mark.parametrize("largest", [True, False])
def test_start_vectors_are_remembered_through_restarts(largest):
    """Of an eigenvector to the level they are known as they were."""
    rng = np.random.default_rng(1)
    size = 60
    q, _ = np.linalg.qr(rng.standard_normal((size, size)))
    sign = 1.0 if largest else -1.0
    spectrum = sign * np.r_[9.0, 8.0, np.linspace(-1, 1, size - 2)]
    matrix = (q * spectrum) @ q.T
    # The eigenvectors to 9 have next to no part in what is searched.
    starts = rng.standard_normal((2, size))
    starts -= 0.9999 * np.outer(starts @ q[:, 0], q[:, 0])
    lanczos = Lanczos(
        lambda block: matrix @ block, HostBasis(size, capacity=20)
    )
    lanczos.wait(starts.T)
    for _ in range(9):
        if lanczos.num_free < 2:
            ritz = lanczos.ritz()
            order = np.argsort(sign * ritz.values)
            lanczos.restart(ritz, order[-8:], [sign * 9.0 / lanczos.unit])
        lanczos.step(2)
    ritz = lanczos.ritz()
    basis = lanczos.vectors(ritz.coordinates)
    v = q[:, 0]
    within = basis.T @ v
    rest = matrix @ basis - basis * (ritz.values * lanczos.unit)
    # Q is seen by the residuals only, which it is the basis of.
    waiting = np.linalg.lstsq(ritz.couplings.T * lanczos.unit, rest.T @ v)[0]
    seen = ritz.starts[0].T @ np.r_[within, waiting]
    # Rounding, times what the relation was divided by, 1, many times over.
    np.testing.assert_allclose(seen, starts @ v, rtol=0, atol=1e-8)


def test_the_chance_is_that_of_a_gaussian_to_be_small():
    """Found where there is one step, by its definition."""
    size, margin = 50, 0.5
    spectrum = np.r_[2.0, np.linspace(0, 1, size - 1)]
    lanczos = Lanczos(
        lambda v: spectrum[:, None] * v, HostBasis(size, capacity=4)
    )
    start = np.random.default_rng(0).standard_normal((1, size))
    lanczos.wait(start.T)
    lanczos.step(1)
    ritz = lanczos.ritz()
    doubt = missed_eigenvalues(
        ritz, np.array([0]), np.array([margin]), rounding=0.0
    )
    unit = start[0] / np.linalg.norm(start)
    mean = unit @ (spectrum * unit)
    rest = np.linalg.norm(spectrum * unit - mean * unit)
    # λ is beyond the mean by the margin, in the units of the matrix.
    apart = margin * lanczos.unit
    overlap = np.linalg.norm(start) * rest / apart
    expected = min(1.0, np.sqrt(2 / np.pi) * overlap)
    np.testing.assert_allclose(doubt.chances, expected, rtol=1e-12)
    assert doubt.num_starts == 1
